/*
 * outbox/report.c
 *	  report() and report_many(): what the world says of a message.
 *
 * A report is a row of table delivery and an event message.<status> of the
 * customer, in one transaction.  Providers repeat their webhooks, so the same
 * report twice (message, status and time) is harmless: the second returns the
 * event of the first.
 *
 * A message is found without an index on its id, because the id tells the lane
 * and position of its first attempt (jo_message_id_place()); only the channel
 * is not known, so each channel is probed.
 *
 * Unlike a claim, a report is not repeated by anybody when a crash forgets it:
 * it commits as durably as the session asks for.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_report);
PG_FUNCTION_INFO_V1(journey_orch_report_many);

/* What may be reported: the closed list of docs/relays.md. */
static const char *const statuses[] = {
	"delivered", "shown", "dismissed", "opened", "clicked", "redeemed",
	"bounced", "complained", "replied", "unsubscribed", "converted",
	"disposition"
};

/* Columns of table delivery, in order. */
enum
{
	DELIVERY_MESSAGE_ID,
	DELIVERY_STATUS,
	DELIVERY_AT,
	DELIVERY_RECORDED_AT,
	DELIVERY_EVENT_ID,
	DELIVERY_CHANNEL,
	DELIVERY_CUSTOMER_ID,
	DELIVERY_DETAIL,
	DELIVERY_COLUMNS
};

typedef struct Report
{
	pg_uuid_t	message_id;
	char	   *status;
	bool		has_at;
	TimestampTz at;
	Jsonb	   *detail;			/* an object */
} Report;

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

static TupleTableSlot *
get_message(const pg_uuid_t *id, Snapshot snapshot, JoOutboxScan **scan)
{
	TupleTableSlot *slot = find_message(id, snapshot, scan);

	if (slot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("message \"%s\" does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															UUIDPGetDatum(id)))),
				 errhint("Report the message_id that claim() gave; it is known as long as the outbox keeps the message.")));
	return slot;
}

/* ---- repeated reports ---- */

/*
 * The event of an equal report that was made before, 0 when there is none.
 * Redeeming counts once, whenever it happened.
 */
static int64
find_report(const Report *report, Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("delivery"),
									  AccessShareLock);
	Relation	index = index_open(jo_relation_oid("delivery_message_id"),
								   AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 1, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	bool		is_once = strcmp(report->status, "redeemed") == 0;
	int64		event_id = 0;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&report->message_id));
	index_rescan(scan, &key, 1, NULL, 0);
	while (event_id == 0 &&
		   index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		char	   *status;

		slot_getallattrs(slot);
		status = TextDatumGetCString(slot->tts_values[DELIVERY_STATUS]);
		if (strcmp(status, report->status) == 0 &&
			(is_once ||
			 (report->has_at &&
			  DatumGetTimestampTz(slot->tts_values[DELIVERY_AT]) ==
			  report->at)))
			event_id = DatumGetInt64(slot->tts_values[DELIVERY_EVENT_ID]);
		pfree(status);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return event_id;
}

/* ---- one report ---- */

static void
append_delivery(const Report *report, TupleTableSlot *message, int64 event_id)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid("delivery"));
	Datum		values[DELIVERY_COLUMNS];
	bool		isnull[DELIVERY_COLUMNS] = {false};

	values[DELIVERY_MESSAGE_ID] = UUIDPGetDatum(&report->message_id);
	values[DELIVERY_STATUS] = CStringGetTextDatum(report->status);
	values[DELIVERY_AT] = TimestampTzGetDatum(report->at);
	values[DELIVERY_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[DELIVERY_EVENT_ID] = Int64GetDatum(event_id);
	values[DELIVERY_CHANNEL] = message->tts_values[OUTBOX_CHANNEL];
	values[DELIVERY_CUSTOMER_ID] = message->tts_values[OUTBOX_CUSTOMER_ID];
	values[DELIVERY_DETAIL] = JsonbPGetDatum(report->detail);
	jo_append_row(append, values, isnull);
	jo_append_end(append);
	CommandCounterIncrement();
}

/*
 * Reports on one message are one after the other, so that of two equal ones the
 * second sees the first.  A few locks stand for all messages, because a call
 * of report_many() must not fill the lock table.
 */
static uint32
lock_of(const Report *report)
{
	return report->message_id.data[UUID_LEN - 1];
}

/* Record a report whose lock is held, and return its event. */
static int64
record(Report *report)
{
	Snapshot	snapshot = jo_relay_snapshot();
	JoOutboxScan *scan;
	TupleTableSlot *message = get_message(&report->message_id, snapshot, &scan);
	int64		event_id;

	jo_channel_ensure_granted(TextDatumGetCString(message->tts_values[OUTBOX_CHANNEL]));
	event_id = find_report(report, snapshot);
	if (event_id == 0)
	{
		JoEvent		event;

		if (!report->has_at)
			report->at = jo_clock_now();
		jo_report_event(&event, report->status, message, report->at,
						report->detail);
		jo_event_append(&event, 1);
		event_id = event.seq;
		append_delivery(report, message, event_id);
	}
	jo_outbox_scan_end(scan);
	UnregisterSnapshot(snapshot);
	return event_id;
}

#define STATUS_HINT \
	"Use delivered, shown, dismissed, opened, clicked, redeemed, bounced," \
	" complained, replied, unsubscribed, converted or disposition; ack() and" \
	" nack() say whether a message was sent."

static bool
is_status(const char *status)
{
	for (int i = 0; i < lengthof(statuses); i++)
		if (strcmp(status, statuses[i]) == 0)
			return true;
	return false;
}

static void
ensure_report(const Report *report)
{
	if (!is_status(report->status))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status \"%s\" cannot be reported",
						jo_clipped(report->status)),
				 errhint(STATUS_HINT)));
	if (!JB_ROOT_IS_OBJECT(report->detail))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the detail of a report must be a JSON object")));
	if (report->has_at && TIMESTAMP_NOT_FINITE(report->at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time of a report must be finite")));
}

static void
ensure_may_report(const char *name)
{
	PreventCommandDuringRecovery(name);
	PreventCommandIfReadOnly(name);
	PreventCommandIfParallelMode(name);
}

/* report(message_id, status, at, detail) → event_id */
Datum
journey_orch_report(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"message_id", "status", NULL,
	"detail"};
	Report		report = {{{0}}};

	ensure_may_report("journey_orch.report()");
	for (int i = 0; i < lengthof(names); i++)
		if (names[i] != NULL && PG_ARGISNULL(i))
			jo_relay_null("report", names[i]);
	report.message_id = *PG_GETARG_UUID_P(0);
	report.status = text_to_cstring(PG_GETARG_TEXT_PP(1));
	report.has_at = !PG_ARGISNULL(2);
	if (report.has_at)
		report.at = PG_GETARG_TIMESTAMPTZ(2);
	report.detail = PG_GETARG_JSONB_P(3);
	ensure_report(&report);
	jo_lock(JO_LOCK_REPORT, lock_of(&report));
	PG_RETURN_INT64(record(&report));
}

/* ---- many ---- */

/* Raise: what is wrong with the "ordinal"th element, and what to do. */
static void
refuse(int ordinal, const char *fault, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element %d of \"%s\" is not a report", ordinal, "reports"),
			 errdetail("%s", fault),
			 errhint("%s", hint != NULL ? hint :
					 "Elements are counted from 1; nothing was recorded.")));
}

/* A member that must be a string; NULL when it is absent or null. */
static char *
get_member(JsonbContainer *element, const char *name, int ordinal,
		   bool is_required)
{
	JsonbValue *value = getKeyJsonValueFromContainer(element, name,
													 strlen(name), NULL);

	if (value != NULL && value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value != NULL && value->type != jbvNull)
		refuse(ordinal, psprintf("\"%s\" is not a string.", name), NULL);
	if (is_required)
		refuse(ordinal, psprintf("\"%s\" is missing.", name), NULL);
	return NULL;
}

/*
 * An instant in any form that timestamptz takes, but without raising; false
 * for what is none, and for the infinities.
 */
static bool
read_instant(const char *string, TimestampTz *result)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nfields;
	int			dtype;
	int			zone;
	struct pg_tm tm;
	fsec_t		microseconds;

	return ParseDateTime(string, work, sizeof(work), field, ftype,
						 MAXDATEFIELDS, &nfields) == 0 &&
		DecodeDateTime(field, ftype, nfields, &dtype, &tm, &microseconds,
					   &zone) == 0 &&
		dtype == DTK_DATE &&
		tm2timestamp(&tm, microseconds, &zone, result) == 0;
}

static Jsonb *
get_detail(JsonbContainer *element, int ordinal)
{
	JsonbValue *detail = getKeyJsonValueFromContainer(element, "detail",
													  strlen("detail"), NULL);

	if (detail == NULL || detail->type == jbvNull)
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												  CStringGetDatum("{}")));
	if (detail->type != jbvBinary ||
		!JsonContainerIsObject(detail->val.binary.data))
		refuse(ordinal, "\"detail\" is not an object.", NULL);
	return JsonbValueToJsonb(detail);
}

/* Read one element: {"message_id", "status", "at", "detail"}. */
static void
read_report(JsonbValue *element, int ordinal, Report *report)
{
	JsonbContainer *object;
	char	   *id;
	char	   *at;

	if (element->type != jbvBinary ||
		!JsonContainerIsObject(element->val.binary.data))
		refuse(ordinal, "It is not an object.", NULL);
	object = element->val.binary.data;

	id = get_member(object, "message_id", ordinal, true);
	if (!jo_relay_read_uuid(id, &report->message_id))
		refuse(ordinal, psprintf("\"message_id\" is \"%s\", which is not a uuid.",
								 jo_clipped(id)),
			   "Report the message_id that claim() gave; elements are counted from 1, and nothing was recorded.");
	report->status = get_member(object, "status", ordinal, true);
	if (!is_status(report->status))
		refuse(ordinal, psprintf("Status \"%s\" cannot be reported.",
								 jo_clipped(report->status)), STATUS_HINT);
	at = get_member(object, "at", ordinal, false);
	report->has_at = at != NULL;
	if (at != NULL && !read_instant(at, &report->at))
		refuse(ordinal, psprintf("\"at\" is \"%s\", which is not an instant.",
								 jo_clipped(at)),
			   "Write it as 2026-03-01T12:00:00Z; elements are counted from 1, and nothing was recorded.");
	report->detail = get_detail(object, ordinal);
}

/* report_many(reports) → how many */
Datum
journey_orch_report_many(PG_FUNCTION_ARGS)
{
	Jsonb	   *reports;
	Report	   *list;
	bool		is_locked[256] = {false};
	int			count;

	ensure_may_report("journey_orch.report_many()");
	if (PG_ARGISNULL(0))
		jo_relay_null("report_many", "reports");
	reports = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(reports) || JB_ROOT_IS_SCALAR(reports))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON array", "reports"),
				 errhint("Of objects with message_id, status, and, if you like, at and detail.")));
	count = JB_ROOT_COUNT(reports);
	list = palloc0(Max(1, count) * sizeof(Report));
	for (int i = 0; i < count; i++)
	{
		read_report(getIthJsonbValueFromContainer(&reports->root, i), i + 1,
					&list[i]);
		is_locked[lock_of(&list[i])] = true;
	}
	/* in one order, so that two calls do not wait for each other */
	for (int i = 0; i < lengthof(is_locked); i++)
		if (is_locked[i])
			jo_lock(JO_LOCK_REPORT, i);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) record(&list[i]);
	}
	PG_RETURN_INT32(count);
}
