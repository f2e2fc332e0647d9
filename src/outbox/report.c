/*
 * outbox/report.c
 *	  report() and report_provider(): what the world says of a message.
 *
 * A report is a row of table delivery and an event message.<status> of the
 * customer, in one transaction.  Providers repeat their webhooks, send them in
 * any order and long after a run has ended, so every report that makes sense is
 * taken, and the same one twice (message, status and time) is harmless: the
 * second returns the event of the first.
 *
 * A message is found without an index on its id, because the id tells the lane
 * and position of its first attempt (jo_message_id_place()); only the channel
 * is not known, so each channel is probed.  A provider's id leads to the
 * message through the receipts of acks (receipt.c).
 *
 * Unlike a claim, a report is not repeated by anybody when a crash forgets it:
 * it commits as durably as the session asks for.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "outbox/reporting.h"

PG_FUNCTION_INFO_V1(journey_orch_report);
PG_FUNCTION_INFO_V1(journey_orch_report_provider);

/* What may be reported: the closed list of docs/relays.md. */
static const struct
{
	const char *name;
	bool		has_amount;		/* may tell what it was worth */
}			statuses[] = {
	{"delivered"}, {"shown"}, {"dismissed"}, {"opened"}, {"clicked"},
	{"redeemed", true}, {"bounced"}, {"complained"}, {"replied"},
	{"unsubscribed"}, {"converted", true}, {"disposition"}
};

#define STATUS_HINT \
	"Use delivered, shown, dismissed, opened, clicked, redeemed, bounced," \
	" complained, replied, unsubscribed, converted or disposition; ack() and" \
	" nack() say whether a message was sent."

#define AMOUNT_HINT \
	"Write an amount as {\"amount\": 12.50, \"currency\": \"EUR\"}."

/* ---- finding the message ---- */

/*
 * Position a scan on the row of the message's first attempt; the caller ends
 * *scan.  NULL when there is none.
 */
static TupleTableSlot *
find_message(const pg_uuid_t *id, Snapshot snapshot, JoOutboxScan **scan)
{
	int			lane;
	int64		position;
	ListCell   *cell;

	jo_message_id_read(id, &lane, &position);
	if (lane >= JO_LANES || position == 0 || !jo_leaf_exists())
		return NULL;
	foreach(cell, jo_channel_names())
	{
		TupleTableSlot *slot;

		*scan = jo_outbox_scan_begin(lfirst(cell), lane, position,
									 position + 1, snapshot);
		slot = jo_outbox_scan_next(*scan);
		if (slot != NULL &&
			memcmp(jo_slot_uuid(slot, OUTBOX_ID), id, UUID_LEN) == 0)
			return slot;
		jo_outbox_scan_end(*scan);
	}
	return NULL;
}

static void
refuse_message(const pg_uuid_t *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("message \"%s\" does not exist",
					DatumGetCString(DirectFunctionCall1(uuid_out,
														UUIDPGetDatum(id)))),
			 errhint("Report the message_id that claim() gave; it is known as long as the outbox keeps the message.")));
}

/* ---- by the provider's id ---- */

/* Does a relay hold messages of the channel, so that an ack may follow? */
static bool
has_open_claim(const char *channel, Snapshot snapshot)
{
	JoClaim    *newest = jo_claim_newest(channel, snapshot);

	if (newest == NULL)
		return false;
	jo_claim_read_outcomes(newest, snapshot);
	if (newest->remaining > 0)
		return true;
	for (int i = 0; i < newest->nopen; i++)
	{
		JoClaim    *claim = jo_claim_find(newest->open_claims[i], snapshot);

		if (claim == NULL)
			continue;
		jo_claim_read_outcomes(claim, snapshot);
		if (claim->remaining > 0)
			return true;
	}
	return false;
}

bool
jo_report_resolve(JoReport *report)
{
	Snapshot	snapshot = jo_relay_snapshot();
	pg_uuid_t	ids[2];
	int			n = jo_receipt_find(report->channel, report->provider_id,
									snapshot, ids);
	bool		may_come = n == 0 && has_open_claim(report->channel, snapshot);

	UnregisterSnapshot(snapshot);
	if (n > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("provider message \"%s\" of channel \"%s\" stands for several messages",
						jo_clipped(report->provider_id), report->channel),
				 errhint("Report each by its message_id.")));
	if (n == 0 && !may_come)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("provider message \"%s\" of channel \"%s\" does not exist",
						jo_clipped(report->provider_id), report->channel),
				 errdetail("No receipt of an ack names it, and no relay holds messages of the channel."),
				 errhint("The relay says it in ack(..., receipts => '{\"<message_id>\": {\"id\": \"...\"}}').")));
	if (n > 0)
		report->message_id = ids[0];
	return n > 0;
}

/* ---- locks ---- */

/*
 * Reports on one message are one after the other, so that of two equal ones the
 * second sees the first.  A few locks stand for all messages, because a call
 * of report_many() must not fill the lock table.  Those of provider ids decide
 * between a report and the ack that it comes before: whoever is second sees
 * what the first has written (test/isolation/specs/report_early).
 */
int
jo_report_message_lock(const pg_uuid_t *message_id)
{
	return message_id->data[UUID_LEN - 1];
}

int
jo_report_provider_lock(const char *channel, const char *provider_id)
{
	return jo_lock_key(psprintf("%s %s", channel, provider_id)) %
		JO_PROVIDER_LOCKS;
}

void
jo_report_lock(int first, int n, const bool *is_wanted)
{
	for (int i = 0; i < n; i++)
		if (is_wanted[i])
			jo_lock(JO_LOCK_REPORT, first + i);
}

static void
lock_one(int first, int lock)
{
	jo_lock(JO_LOCK_REPORT, first + lock);
}

/* ---- one report ---- */

char *
jo_attempt_address(TupleTableSlot *slot)
{
	Jsonb	   *payload = DatumGetJsonbP(slot->tts_values[OUTBOX_PAYLOAD]);
	JsonbValue *value = getKeyJsonValueFromContainer(&payload->root, "address",
													 strlen("address"), NULL);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Keep what jo_feedback_apply() needs to know of a new report's message. */
static void
note_message(JoReport *report, TupleTableSlot *message)
{
	Datum	   *values = message->tts_values;

	report->is_new = true;
	report->customer_id = TextDatumGetCString(values[OUTBOX_CUSTOMER_ID]);
	report->message_channel = TextDatumGetCString(values[OUTBOX_CHANNEL]);
	if (!message->tts_isnull[OUTBOX_TOPIC])
		report->topic = TextDatumGetCString(values[OUTBOX_TOPIC]);
	report->address = jo_attempt_address(message);
}

int64
jo_report_record(JoReport *report, bool must_exist, bool checks_grant)
{
	Snapshot	snapshot = jo_relay_snapshot();
	JoOutboxScan *scan;
	TupleTableSlot *message = find_message(&report->message_id, snapshot,
										   &scan);
	int64		event_id;

	if (message == NULL)
	{
		if (must_exist)
			refuse_message(&report->message_id);
		UnregisterSnapshot(snapshot);
		return 0;
	}
	if (checks_grant)
		jo_channel_ensure_reportable(TextDatumGetCString(message->tts_values[OUTBOX_CHANNEL]));
	event_id = jo_delivery_find(report, snapshot);
	if (event_id == 0)
	{
		JoEvent		event;

		if (!report->has_at)
			report->at = jo_clock_now();
		jo_machine_judge(report, snapshot);
		if (jo_message_is_erased(message))
			report->detail =
				DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												   CStringGetDatum("{}")));
		jo_report_event(&event, report, message);
		jo_event_append(&event, 1);
		event_id = event.seq;
		jo_delivery_append(report, message, event_id);
		note_message(report, message);
	}
	jo_outbox_scan_end(scan);
	UnregisterSnapshot(snapshot);
	return event_id;
}

static int
find_status(const char *name)
{
	for (int i = 0; i < lengthof(statuses); i++)
		if (strcmp(name, statuses[i].name) == 0)
			return i;
	return -1;
}

bool
jo_report_is_status(const char *status)
{
	return find_status(status) >= 0;
}

char *
jo_report_string(const JoReport *report, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&report->detail->root,
													 name, strlen(name), NULL);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Read the amount of a report that may have one; see jo_report_fault(). */
static const char *
amount_fault(JoReport *report)
{
	JsonbContainer *detail = &report->detail->root;
	const char *fault = jo_amount_read(detail, "amount", &report->has_amount,
									   &report->amount);

	if (fault != NULL || !report->has_amount)
		return fault;
	fault = jo_currency_read(detail, &report->currency);
	if (fault == NULL && report->currency == NULL)
		fault = "\"amount\" stands without \"currency\".";
	return fault;
}

const char *
jo_report_fault(JoReport *report, const char **hint)
{
	int			status = find_status(report->status);
	const char *fault = NULL;

	*hint = NULL;
	report->has_amount = false;
	if (report->provider_id != NULL &&
		(report->provider_id[0] == '\0' ||
		 strlen(report->provider_id) > JO_PROVIDER_ID_BYTES))
		return psprintf("\"provider_message_id\" is empty or longer than %d bytes.",
						JO_PROVIDER_ID_BYTES);
	if (status < 0)
	{
		*hint = STATUS_HINT;
		return psprintf("Status \"%s\" cannot be reported.",
						jo_clipped(report->status));
	}
	if (statuses[status].has_amount)
	{
		*hint = AMOUNT_HINT;
		fault = amount_fault(report);
	}
	return fault;
}

/* Raise unless the report of a single call is one. */
static void
ensure_report(JoReport *report)
{
	const char *hint;
	const char *fault;

	if (!JB_ROOT_IS_OBJECT(report->detail))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the detail of a report must be a JSON object")));
	if (report->has_at && TIMESTAMP_NOT_FINITE(report->at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time of a report must be finite")));
	if (find_status(report->status) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status \"%s\" cannot be reported",
						jo_clipped(report->status)),
				 errhint(STATUS_HINT)));
	fault = jo_report_fault(report, &hint);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("report \"%s\" is not valid", report->status),
				 errdetail("%s", fault),
				 hint != NULL ? errhint("%s", hint) : 0));
}

void
jo_report_begin(const char *name)
{
	PreventCommandDuringRecovery(name);
	PreventCommandIfReadOnly(name);
	PreventCommandIfParallelMode(name);
}

/* Read status, at and detail, which begin with argument "first". */
static void
read_arguments(FunctionCallInfo fcinfo, const char *function, int first,
			   JoReport *report)
{
	if (PG_ARGISNULL(first))
		jo_relay_null(function, "status");
	if (PG_ARGISNULL(first + 2))
		jo_relay_null(function, "detail");
	report->status = text_to_cstring(PG_GETARG_TEXT_PP(first));
	report->has_at = !PG_ARGISNULL(first + 1);
	if (report->has_at)
		report->at = PG_GETARG_TIMESTAMPTZ(first + 1);
	report->detail = PG_GETARG_JSONB_P(first + 2);
	ensure_report(report);
}

/* Record a report whose locks are held, and do what it asks for. */
static int64
record_one(JoReport *report)
{
	int64		event_id = jo_report_record(report, true, true);

	jo_feedback_apply(report, 1);
	return event_id;
}

/* report(message_id, status, at, detail) → event_id */
Datum
journey_orch_report(PG_FUNCTION_ARGS)
{
	JoReport	report = {{{0}}};

	jo_report_begin("journey_orch.report()");
	if (PG_ARGISNULL(0))
		jo_relay_null("report", "message_id");
	report.message_id = *PG_GETARG_UUID_P(0);
	read_arguments(fcinfo, "report", 1, &report);
	lock_one(0, jo_report_message_lock(&report.message_id));
	PG_RETURN_INT64(record_one(&report));
}

/* report_provider(channel, provider_message_id, status, at, detail) → event_id,
 * NULL when the report is kept until the ack. */
Datum
journey_orch_report_provider(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"channel", "provider_message_id"};
	JoReport	report = {{{0}}};

	jo_report_begin("journey_orch.report_provider()");
	for (int i = 0; i < lengthof(names); i++)
		if (PG_ARGISNULL(i))
			jo_relay_null("report_provider", names[i]);
	report.channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	report.provider_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	read_arguments(fcinfo, "report_provider", 2, &report);
	jo_channel_ensure_granted(report.channel);
	lock_one(JO_REPORT_LOCKS, jo_report_provider_lock(report.channel,
													  report.provider_id));
	if (!jo_report_resolve(&report))
	{
		jo_early_report_keep(&report);
		PG_RETURN_NULL();
	}
	lock_one(0, jo_report_message_lock(&report.message_id));
	PG_RETURN_INT64(record_one(&report));
}
