/*
 * capture/row.c
 *	  What one watch makes of one changed row: no event, an event, or a failure.
 */
#include "postgres.h"

#include "access/tupconvert.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "capture/row.h"

/* The row as the watch's relation has it. */
static TupleTableSlot *
converted(AttrMap *map, TupleTableSlot *in, TupleTableSlot *out)
{
	if (in == NULL || map == NULL)
		return in;
	return execute_attr_map_slot(map, in, out);
}

void
jo_row_set_failure(JoOutcome *outcome, const char *sqlstate, const char *message)
{
	outcome->sqlstate = sqlstate;
	outcome->message = message;
	outcome->customer = NULL;
}

/* The payload of an event; NULL after setting a failure. */
static Jsonb *
compute_payload(JoWatch *watch, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot, JoOutcome *outcome)
{
	Jsonb	   *payload;
	Datum		value;
	bool		isnull;

	if (watch->columns_payload != NULL)
	{
		payload = jo_row_payload_build(watch->columns_payload,
									   new_slot != NULL ? new_slot : old_slot);
		if (payload == NULL)
			jo_row_set_failure(outcome, "54000", "the payload is too large for jsonb");
		return payload;
	}

	value = jo_row_expression_value(watch->payload, old_slot, new_slot,
									&isnull);
	if (isnull)
		return jo_empty_payload();
	payload = DatumGetJsonbP(value);
	if (!JB_ROOT_IS_OBJECT(payload))
	{
		jo_row_set_failure(outcome, "22023", "payload_sql did not yield an object");
		return NULL;
	}
	return payload;
}

void
jo_row_compute(JoServed *served, TupleTableSlot *old_slot, TupleTableSlot *new_slot,
			   JoOutcome *outcome)
{
	JoWatch    *watch = served->watch;
	Datum		value;
	bool		isnull;
	text	   *customer;

	memset(outcome, 0, sizeof(JoOutcome));
	old_slot = converted(served->map, old_slot, served->old_slot);
	new_slot = converted(served->map, new_slot, served->new_slot);

	if (watch->condition != NULL)
	{
		value = jo_row_expression_value(watch->condition, old_slot, new_slot,
										&isnull);
		if (isnull || !DatumGetBool(value))
			return;
	}

	value = jo_row_expression_value(watch->customer, old_slot, new_slot,
									&isnull);
	if (isnull)
	{
		jo_row_set_failure(outcome, "22004", "customer_sql yielded NULL");
		return;
	}
	customer = DatumGetTextPP(value);
	if (VARSIZE_ANY_EXHDR(customer) == 0)
	{
		jo_row_set_failure(outcome, "22023", "customer_sql yielded an empty string");
		return;
	}
	if (VARSIZE_ANY_EXHDR(customer) > JO_CUSTOMER_BYTES)
	{
		jo_row_set_failure(outcome, "22001",
						   "customer_sql yielded a string that is too long for a customer id");
		return;
	}

	outcome->payload = compute_payload(watch, old_slot, new_slot, outcome);
	if (outcome->payload != NULL)
		outcome->customer = text_to_cstring(customer);
}

/* Argument of the guarded computation of a row's key. */
typedef struct KeyText
{
	const JoWatchedRelation *watched;
	TupleTableSlot *slot;
	StringInfoData text;
} KeyText;

static void
print_key(void *arg)
{
	KeyText    *key = arg;
	const JoWatchedRelation *watched = key->watched;

	for (int i = 0; i < watched->key_count; i++)
	{
		AttrNumber	attnum = watched->key[i];
		bool		isnull;
		Datum		value = slot_getattr(key->slot, attnum, &isnull);
		Oid			output;
		bool		is_varlena;

		if (i > 0)
			appendStringInfoString(&key->text, ", ");
		if (isnull)
			continue;
		getTypeOutputInfo(TupleDescAttr(key->slot->tts_tupleDescriptor,
										attnum - 1)->atttypid,
						  &output, &is_varlena);
		appendStringInfoString(&key->text, OidOutputFunctionCall(output, value));
	}
}

char *
jo_row_key(JoCapture *capture, TupleTableSlot *old_slot, TupleTableSlot *new_slot)
{
	KeyText		key = {capture->watched};

	if (capture->watched->key_count == 0)
		return NULL;
	key.slot = new_slot != NULL ? new_slot : old_slot;
	initStringInfo(&key.text);
	if (jo_guard(print_key, &key, capture->relation->rd_rel->relowner) != NULL)
		return NULL;
	return key.text.data;
}

/* Argument of the guarded computation of a row's customer. */
typedef struct CustomerText
{
	JoServed   *served;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
	char	   *customer;
} CustomerText;

static void
compute_customer(void *arg)
{
	CustomerText *row = arg;
	JoServed   *served = row->served;
	bool		isnull;
	Datum		value;

	value = jo_row_expression_value(served->watch->customer,
									converted(served->map, row->old_slot,
											  served->old_slot),
									converted(served->map, row->new_slot,
											  served->new_slot), &isnull);
	if (!isnull && VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) <= JO_CUSTOMER_BYTES)
		row->customer = text_to_cstring(DatumGetTextPP(value));
}

char *
jo_row_customer(JoServed *served, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot)
{
	CustomerText row = {served, old_slot, new_slot, NULL};

	if (jo_guard(compute_customer, &row, served->watch->owner) != NULL)
		return NULL;
	return row.customer;
}
