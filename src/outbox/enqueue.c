/*
 * outbox/enqueue.c
 *	  What the engine appends: attempts, withdrawals, and the payload of a
 *	  message.
 *
 * The caller is the lane's one writer and gives the positions, so a lane's
 * attempts become visible in the order of their positions, without gaps left
 * by rolled-back batches: claim() relies on it.  At commit the bell rings for
 * wait_for_messages(), and a notification goes to those that LISTEN.
 */
#include "postgres.h"

#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/leaf.h"
#include "outbox/internal.h"
#include "outbox/outbox.h"

#define NOTIFY_PREFIX "journey_orch."

void
jo_message_id_place(pg_uuid_t *id, int lane, int64 position)
{
	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (position >> (40 - 8 * i));
	id->data[6] = 0x80 | (unsigned char) lane;
}

void
jo_message_id_read(const pg_uuid_t *id, int *lane, int64 *position)
{
	*lane = id->data[6] & 0x0f;
	*position = 0;
	for (int i = 0; i < 6; i++)
		*position = (*position << 8) | id->data[i];
}

/*
 * One empty notification a channel, at commit.  PostgreSQL drops repeated ones
 * of a transaction; comparing with the row before saves it most of the work.
 */
static void
ring_channels(const JoAttempt *attempts, int n)
{
	const char *last = NULL;

	for (int i = 0; i < n; i++)
	{
		if (last != NULL && strcmp(last, attempts[i].channel) == 0)
			continue;
		last = attempts[i].channel;
		Async_Notify(psprintf(NOTIFY_PREFIX "%s", last), "");
	}
}

static Datum
optional_text(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

/* Form the row of an attempt; the strings are palloc'd. */
static void
set_attempt(const JoAttempt *attempt, Datum *values, bool *isnull)
{
	values[OUTBOX_ID] = UUIDPGetDatum(&attempt->message_id);
	values[OUTBOX_CHANNEL] = CStringGetTextDatum(attempt->channel);
	values[OUTBOX_CUSTOMER_ID] = CStringGetTextDatum(attempt->customer_id);
	values[OUTBOX_TEMPLATE] = CStringGetTextDatum(attempt->template);
	values[OUTBOX_PAYLOAD] = JsonbPGetDatum(attempt->payload);
	values[OUTBOX_POSITION] = Int64GetDatum(attempt->position);
	values[OUTBOX_ENROLLMENT_ID] = UUIDPGetDatum(&attempt->enrollment_id);
	values[OUTBOX_EVENT_ID] = Int64GetDatum(attempt->event_id);
	isnull[OUTBOX_EVENT_ID] = attempt->event_id == 0;
	values[OUTBOX_ENQUEUED_AT] = TimestampTzGetDatum(attempt->enqueued_at);
	values[OUTBOX_EXPIRES_AT] = TimestampTzGetDatum(attempt->expires_at);
	isnull[OUTBOX_EXPIRES_AT] = attempt->expires_at == JO_NO_TIME;
	values[OUTBOX_JOURNEY_ID] = Int32GetDatum(attempt->journey_id);
	values[OUTBOX_VERSION] = Int32GetDatum(attempt->version);
	values[OUTBOX_VISIT] = Int32GetDatum(attempt->visit);
	values[OUTBOX_ATTEMPT] = Int32GetDatum(attempt->attempt);
	values[OUTBOX_PRIORITY] = Int16GetDatum(attempt->priority);
	values[OUTBOX_IS_AWAITED] = BoolGetDatum(attempt->is_awaited);
	values[OUTBOX_STEP] = CStringGetTextDatum(attempt->step);
	values[OUTBOX_TOPIC] = optional_text(attempt->topic, &isnull[OUTBOX_TOPIC]);
	values[OUTBOX_ARM] = optional_text(attempt->arm, &isnull[OUTBOX_ARM]);
	values[OUTBOX_FAILURES] = Int16GetDatum(attempt->failures);
	values[OUTBOX_TIMEZONE] = optional_text(attempt->timezone,
											&isnull[OUTBOX_TIMEZONE]);
	values[OUTBOX_REGION] = optional_text(attempt->region,
										  &isnull[OUTBOX_REGION]);
}

void
jo_outbox_append(int lane, const JoAttempt *attempts, int n)
{
	int			segment = jo_leaf_current(JO_OUTBOX, lane);
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext row_context;
	MemoryContext caller;
	JoAppend   *append;

	if (n == 0)
		return;
	append = jo_append_begin(jo_leaf_oid(JO_OUTBOX, lane, segment));
	row_context = AllocSetContextCreate(CurrentMemoryContext, "jo_outbox row",
										ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(row_context);
	for (int i = 0; i < n; i++)
	{
		Datum		values[OUTBOX_COLUMNS];
		bool		isnull[OUTBOX_COLUMNS] = {false};

		set_attempt(&attempts[i], values, isnull);
		values[OUTBOX_RECORDED_AT] = TimestampTzGetDatum(now);
		values[OUTBOX_LANE] = Int16GetDatum(lane);
		values[OUTBOX_SEGMENT] = Int16GetDatum(segment);
		jo_append_row(append, values, isnull);
		MemoryContextReset(row_context);
	}
	jo_bell_pull();
	if (jo_notify)
		ring_channels(attempts, n);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
	jo_append_end(append);
}

/* Columns of table withdrawal, in order. */
enum
{
	WITHDRAWAL_ENROLLMENT_ID,
	WITHDRAWAL_BEFORE_POSITION,
	WITHDRAWAL_AT,
	WITHDRAWAL_LANE,
	WITHDRAWAL_SEGMENT,
	WITHDRAWAL_REASON,
	WITHDRAWAL_COLUMNS
};

void
jo_withdrawal_append(int lane, const JoWithdrawal *withdrawals, int n)
{
	int			segment = jo_leaf_current(JO_WITHDRAWAL, lane);
	JoAppend   *append;

	if (n == 0)
		return;
	append = jo_append_begin(jo_leaf_oid(JO_WITHDRAWAL, lane, segment));
	for (int i = 0; i < n; i++)
	{
		const JoWithdrawal *withdrawal = &withdrawals[i];
		Datum		values[WITHDRAWAL_COLUMNS];
		bool		isnull[WITHDRAWAL_COLUMNS] = {false};

		values[WITHDRAWAL_ENROLLMENT_ID] =
			UUIDPGetDatum(&withdrawal->enrollment_id);
		values[WITHDRAWAL_BEFORE_POSITION] =
			Int64GetDatum(withdrawal->before_position);
		values[WITHDRAWAL_AT] = TimestampTzGetDatum(withdrawal->at);
		values[WITHDRAWAL_LANE] = Int16GetDatum(lane);
		values[WITHDRAWAL_SEGMENT] = Int16GetDatum(segment);
		values[WITHDRAWAL_REASON] = CStringGetTextDatum(withdrawal->reason);
		jo_append_row(append, values, isnull);
		pfree(DatumGetPointer(values[WITHDRAWAL_REASON]));
	}
	jo_append_end(append);
}

static void
push_part(JsonbParseState **state, const char *name, const char *value)
{
	JsonbValue	item;

	if (value == NULL)
		return;
	item.type = jbvString;
	item.val.string.val = unconstify(char *, name);
	item.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &item);
	item.val.string.val = unconstify(char *, value);
	item.val.string.len = strlen(value);
	pushJsonbValue(state, WJB_VALUE, &item);
}

Jsonb *
jo_outbox_payload(const char *address, const char *subject, const char *body,
				  const char *html, Jsonb *headers)
{
	JsonbParseState *state = NULL;
	JsonbValue	item;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_part(&state, "address", address);
	push_part(&state, "subject", subject);
	push_part(&state, "body", body);
	push_part(&state, "html", html);
	if (headers != NULL && JB_ROOT_COUNT(headers) > 0)
	{
		item.type = jbvString;
		item.val.string.val = "headers";
		item.val.string.len = strlen("headers");
		pushJsonbValue(&state, WJB_KEY, &item);
		item.type = jbvBinary;
		item.val.binary.data = &headers->root;
		item.val.binary.len = VARSIZE(headers) - VARHDRSZ;
		pushJsonbValue(&state, WJB_VALUE, &item);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
jo_outbox_audience_payload(const char *address, const char *audience)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_part(&state, "address", address);
	push_part(&state, "operation", "add");
	push_part(&state, "audience", audience);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
