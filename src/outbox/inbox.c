/*
 * outbox/inbox.c
 *	  inbox(): the live messages of a customer; redeem(): an offer, once.
 *
 * Messages of an inbox channel need no relay: they are live from the commit that
 * enqueues them until they expire, are dismissed or redeemed, or their run is
 * ended by a goal or an exit rule (enrollment/kept.c keeps their rows).  What
 * claim() would look at is looked at when they are asked for: an event of the
 * customer that his lane has not applied hides them all, because it may withdraw
 * them; a paused journey hides its own; the gates decide on each.  Nothing is
 * written, and caps count nothing.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "outbox/outbox.h"
#include "outbox/reporting.h"
#include "permission/permission.h"

PG_FUNCTION_INFO_V1(journey_orch_inbox);
PG_FUNCTION_INFO_V1(journey_orch_redeem);

#define MAX_MESSAGES 1000
#define RECHECK_MS 2			/* between looks at a lane that is behind */

/* Columns of the query, of which the first ones are the result's. */
enum
{
	LIVE_MESSAGE_ID,
	LIVE_SUBJECT,
	LIVE_BODY,
	LIVE_HTML,
	LIVE_HEADERS,
	LIVE_PAYLOAD,
	LIVE_JOURNEY,
	LIVE_STEP,
	LIVE_TOPIC,
	LIVE_TEMPLATE,
	LIVE_ENQUEUED_AT,
	LIVE_EXPIRES_AT,
	LIVE_SHOWN_AT,
	LIVE_CLICKED_AT,
	LIVE_RESULT_COLUMNS,
	LIVE_JOURNEY_ID = LIVE_RESULT_COLUMNS,
	LIVE_ADDRESS,
	LIVE_COLUMNS
};

/* Lane, customer, channel, clock. */
#define READ_LIVE \
	"SELECT m.message_id, m.payload->>'subject', m.payload->>'body'," \
	" m.payload->>'html', m.payload->'headers', m.payload, j.name, m.step," \
	" m.topic, m.template, m.enqueued_at, m.expires_at," \
	" (SELECT min(d.at) FROM journey_orch.delivery d" \
	"   WHERE d.message_id = m.message_id AND d.status = 'shown')," \
	" (SELECT min(d.at) FROM journey_orch.delivery d" \
	"   WHERE d.message_id = m.message_id AND d.status = 'clicked')," \
	" m.journey_id, m.payload->>'address'" \
	" FROM journey_orch.message m" \
	" LEFT JOIN journey_orch.journey j USING (journey_id)" \
	" WHERE m.lane = $1 AND m.customer_id = $2 AND m.channel = $3" \
	" AND m.state = 'live' AND (m.expires_at IS NULL OR m.expires_at > $4)" \
	" AND NOT EXISTS (SELECT FROM journey_orch.delivery d" \
	"   WHERE d.message_id = m.message_id AND d.status IN ('dismissed', 'redeemed'))" \
	" ORDER BY m.enqueued_at DESC, m.message_id"

typedef struct Listing
{
	char	   *customer;
	char	   *channel;
	int			max;
	TimestampTz clock;
	Snapshot	snapshot;
	ReturnSetInfo *result;
} Listing;

/* Is an event of the customer pending, as "snapshot" sees it? */
static bool
is_pending(const Listing *listing, Snapshot snapshot)
{
	JoPendingCustomers pending;
	text	   *customer = cstring_to_text(listing->customer);
	bool		found;

	if (jo_claim_freshness < 0)
		return false;
	jo_pending_customers_read(&pending, jo_lane_of_text(customer), snapshot);
	found = jo_pending_customers_include(&pending, customer);
	jo_pending_customers_free(&pending);
	return found;
}

/*
 * Take a snapshot in which nothing of the customer is pending, waiting a moment
 * for his lane; false when there is none.
 */
static bool
take_fresh_snapshot(Listing *listing)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   jo_claim_freshness);

	for (;;)
	{
		listing->clock = jo_clock_now();
		listing->snapshot = jo_relay_snapshot();
		if (!is_pending(listing, listing->snapshot))
			return true;
		UnregisterSnapshot(listing->snapshot);
		if (jo_claim_freshness == 0 || GetCurrentTimestamp() >= deadline)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RECHECK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Do the gates allow it? */
static bool
is_allowed(const Listing *listing, JoGates *gates, const JoChannel *channel,
		   const Datum *values, const bool *isnull)
{
	JoGateQuestion question = {0};
	JoGateDecision decision;

	question.message_id = DatumGetUUIDP(values[LIVE_MESSAGE_ID]);
	question.customer_id = listing->customer;
	question.channel = listing->channel;
	question.channel_kind = channel->kind;
	question.channel_consent = channel->consent;
	if (!isnull[LIVE_ADDRESS])
		question.address = TextDatumGetCString(values[LIVE_ADDRESS]);
	if (!isnull[LIVE_TOPIC])
		question.topic = TextDatumGetCString(values[LIVE_TOPIC]);
	if (!isnull[LIVE_JOURNEY])
		question.journey = TextDatumGetCString(values[LIVE_JOURNEY]);
	question.expires_at = isnull[LIVE_EXPIRES_AT] ? JO_NO_TIME :
		DatumGetTimestampTz(values[LIVE_EXPIRES_AT]);
	jo_gates_ask(gates, &question, &decision);
	return decision.answer == JO_GATE_ALLOW;
}

/* Put the live messages that the gates allow into the result, newest first. */
static void
list_live(Listing *listing)
{
	text	   *customer = cstring_to_text(listing->customer);
	Oid			types[] = {INT2OID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum		arguments[] = {Int16GetDatum(jo_lane_of_text(customer)),
		PointerGetDatum(customer), CStringGetTextDatum(listing->channel),
	TimestampTzGetDatum(listing->clock)};
	const JoChannel *channel = jo_channel_find(listing->channel);
	JoGates    *gates = jo_gates_begin(JO_GATE_AT_CLAIM, listing->clock,
									   listing->snapshot);
	JoRunAs		saved;
	SPITupleTable *rows;
	int			listed = 0;

	jo_run_as_extension(&saved);
	if (SPI_execute_with_args(READ_LIVE, lengthof(types), types, arguments,
							  NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the messages of a customer");
	rows = SPI_tuptable;
	jo_run_as_end(&saved);
	for (uint64 i = 0; i < rows->numvals && listed < listing->max; i++)
	{
		Datum		values[LIVE_COLUMNS];
		bool		isnull[LIVE_COLUMNS];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, isnull);
		if (jo_journey_is_paused(DatumGetInt32(values[LIVE_JOURNEY_ID])) ||
			!is_allowed(listing, gates, channel, values, isnull))
			continue;
		tuplestore_putvalues(listing->result->setResult,
							 listing->result->setDesc, values, isnull);
		listed++;
	}
	jo_gates_end(gates);
}

/* inbox(customer, channel, max) */
Datum
journey_orch_inbox(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"customer", "channel", "max"};
	Listing		listing = {0};

	for (int i = 0; i < lengthof(names); i++)
		if (PG_ARGISNULL(i))
			jo_relay_null("inbox", names[i]);
	listing.customer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	listing.channel = text_to_cstring(PG_GETARG_TEXT_PP(1));
	listing.max = PG_GETARG_INT32(2);
	if (listing.max < 1 || listing.max > MAX_MESSAGES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max must be between 1 and %d, not %d", MAX_MESSAGES,
						listing.max)));
	jo_channel_ensure_kind(listing.channel, "inbox");
	InitMaterializedSRF(fcinfo, 0);
	listing.result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (!jo_leaf_exists() || !take_fresh_snapshot(&listing))
		return (Datum) 0;
	SPI_connect();
	PushActiveSnapshot(listing.snapshot);
	jo_channel_cache_begin();
	jo_paused_begin(listing.snapshot);
	list_live(&listing);
	jo_paused_end();
	jo_channel_cache_end();
	PopActiveSnapshot();
	SPI_finish();
	UnregisterSnapshot(listing.snapshot);
	return (Datum) 0;
}

/* ---- redeem ---- */

/* Lane, position, message, clock: is it an offer, redeemed, still good? */
#define READ_OFFER \
	"SELECT EXISTS (SELECT FROM journey_orch.delivery d" \
	"   WHERE d.message_id = $3 AND d.status = 'redeemed')," \
	" EXISTS (SELECT FROM journey_orch.message m" \
	"   WHERE m.lane = $1 AND m.customer_id = o.aggregateid AND m.message_id = $3" \
	"   AND m.state = 'live' AND (m.expires_at IS NULL OR m.expires_at > $4))" \
	" AND NOT EXISTS (SELECT FROM journey_orch.delivery d" \
	"   WHERE d.message_id = $3 AND d.status = 'dismissed')" \
	" FROM journey_orch.outbox o JOIN journey_orch.channel c" \
	"   ON c.channel = o.aggregatetype AND c.kind = 'inbox'" \
	" WHERE o.lane = $1 AND o.position = $2 AND o.id = $3"

/* What may become of the offer, whose lock is held: ok, already, gone. */
static const char *
judge_offer(const pg_uuid_t *id)
{
	Oid			types[] = {INT2OID, INT8OID, UUIDOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)];
	int			lane;
	int64		position;
	bool		isnull;
	bool		is_redeemed;
	bool		is_live;
	JoRunAs		saved;

	jo_message_id_read(id, &lane, &position);
	values[0] = Int16GetDatum(lane);
	values[1] = Int64GetDatum(position);
	values[2] = UUIDPGetDatum(id);
	values[3] = TimestampTzGetDatum(jo_clock_now());
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	jo_run_as_extension(&saved);
	if (SPI_execute_with_args(READ_OFFER, lengthof(types), types, values, NULL,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read an offer");
	jo_run_as_end(&saved);
	PopActiveSnapshot();
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("offer \"%s\" does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															values[2]))),
				 errhint("Give the message_id that journey_orch.offers() lists.")));
	is_redeemed = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1,
											 &isnull));
	is_live = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 2, &isnull));
	SPI_finish();
	return is_redeemed ? "already" : is_live ? "ok" : "gone";
}

/* redeem(message_id, detail) → ok, already, gone */
Datum
journey_orch_redeem(PG_FUNCTION_ARGS)
{
	JoReport	report = {{{0}}};
	const char *outcome;
	const char *fault;
	const char *hint;

	jo_report_begin("journey_orch.redeem()");
	if (PG_ARGISNULL(0))
		jo_relay_null("redeem", "message_id");
	if (PG_ARGISNULL(1))
		jo_relay_null("redeem", "detail");
	report.message_id = *PG_GETARG_UUID_P(0);
	report.status = "redeemed";
	report.detail = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(report.detail))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", "detail")));
	fault = jo_report_fault(&report, &hint);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("report \"%s\" is not valid", report.status),
				 errdetail("%s", fault), hint != NULL ? errhint("%s", hint) : 0));
	/* of two tills the second sees what the first has written */
	jo_lock(JO_LOCK_REPORT, jo_report_message_lock(&report.message_id));
	outcome = judge_offer(&report.message_id);
	if (strcmp(outcome, "ok") == 0)
		(void) jo_report_record(&report, true, false);
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}
