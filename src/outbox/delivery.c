/*
 * outbox/delivery.c
 *	  Rows of table delivery: found by message, appended.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/leaf.h"
#include "outbox/reporting.h"

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
	DELIVERY_AMOUNT,
	DELIVERY_CURRENCY,
	DELIVERY_IS_MACHINE,
	DELIVERY_MACHINE_AGENT,
	DELIVERY_COLUMNS
};

/* The reports on one message, one row after the other. */
typedef struct DeliveryScan
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} DeliveryScan;

static void
begin_scan(DeliveryScan *delivery, const pg_uuid_t *message_id,
		   Snapshot snapshot)
{
	ScanKeyData key;

	delivery->relation = table_open(jo_relation_oid("delivery"),
									AccessShareLock);
	delivery->index = index_open(jo_relation_oid("delivery_message_id"),
								 AccessShareLock);
	delivery->slot = table_slot_create(delivery->relation, NULL);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(message_id));
	delivery->scan = index_beginscan(delivery->relation, delivery->index,
									 snapshot, 1, 0);
	index_rescan(delivery->scan, &key, 1, NULL, 0);
}

static bool
next_row(DeliveryScan *delivery)
{
	if (!index_getnext_slot(delivery->scan, ForwardScanDirection,
							delivery->slot))
		return false;
	slot_getallattrs(delivery->slot);
	return true;
}

static void
end_scan(DeliveryScan *delivery)
{
	ExecDropSingleTupleTableSlot(delivery->slot);
	index_endscan(delivery->scan);
	index_close(delivery->index, AccessShareLock);
	table_close(delivery->relation, AccessShareLock);
}

static bool
has_status(const DeliveryScan *delivery, const char *status)
{
	text	   *value = DatumGetTextPP(delivery->slot->tts_values[DELIVERY_STATUS]);

	return VARSIZE_ANY_EXHDR(value) == strlen(status) &&
		memcmp(VARDATA_ANY(value), status, strlen(status)) == 0;
}

int64
jo_delivery_find(const JoReport *report, Snapshot snapshot)
{
	bool		is_once = strcmp(report->status, "redeemed") == 0;
	int64		event_id = 0;
	DeliveryScan delivery;

	begin_scan(&delivery, &report->message_id, snapshot);
	while (event_id == 0 && next_row(&delivery))
	{
		Datum	   *values = delivery.slot->tts_values;

		if (has_status(&delivery, report->status) &&
			(is_once || (report->has_at &&
						 DatumGetTimestampTz(values[DELIVERY_AT]) ==
						 report->at)))
			event_id = DatumGetInt64(values[DELIVERY_EVENT_ID]);
	}
	end_scan(&delivery);
	return event_id;
}

TimestampTz
jo_delivery_sent_at(const pg_uuid_t *message_id, Snapshot snapshot)
{
	TimestampTz sent_at = JO_NO_TIME;
	DeliveryScan delivery;

	begin_scan(&delivery, message_id, snapshot);
	while (next_row(&delivery))
	{
		TimestampTz at;

		if (!has_status(&delivery, "delivered"))
			continue;
		at = DatumGetTimestampTz(delivery.slot->tts_values[DELIVERY_AT]);
		if (sent_at == JO_NO_TIME || at < sent_at)
			sent_at = at;
	}
	end_scan(&delivery);
	return sent_at != JO_NO_TIME ? sent_at :
		jo_receipt_at(message_id, snapshot);
}

List *
jo_delivery_links(const JoReport *report, int64 within, Snapshot snapshot)
{
	List	   *links = NIL;
	DeliveryScan delivery;

	begin_scan(&delivery, &report->message_id, snapshot);
	while (next_row(&delivery))
	{
		Datum	   *values = delivery.slot->tts_values;
		JoReport	other = {{{0}}};
		char	   *link;

		if (!has_status(&delivery, report->status) ||
			Abs(DatumGetTimestampTz(values[DELIVERY_AT]) - report->at) > within)
			continue;
		other.detail = DatumGetJsonbP(values[DELIVERY_DETAIL]);
		link = jo_report_string(&other, "url");
		if (link != NULL)
			links = lappend(links, link);
	}
	end_scan(&delivery);
	return links;
}

void
jo_delivery_append(const JoReport *report, TupleTableSlot *message,
				   int64 event_id)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid("delivery"));
	Datum		values[DELIVERY_COLUMNS] = {0};
	bool		isnull[DELIVERY_COLUMNS] = {false};

	values[DELIVERY_MESSAGE_ID] = UUIDPGetDatum(&report->message_id);
	values[DELIVERY_STATUS] = CStringGetTextDatum(report->status);
	values[DELIVERY_AT] = TimestampTzGetDatum(report->at);
	values[DELIVERY_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[DELIVERY_EVENT_ID] = Int64GetDatum(event_id);
	values[DELIVERY_CHANNEL] = message->tts_values[OUTBOX_CHANNEL];
	values[DELIVERY_CUSTOMER_ID] = message->tts_values[OUTBOX_CUSTOMER_ID];
	values[DELIVERY_DETAIL] = JsonbPGetDatum(report->detail);
	isnull[DELIVERY_AMOUNT] = isnull[DELIVERY_CURRENCY] = !report->has_amount;
	if (report->has_amount)
	{
		values[DELIVERY_AMOUNT] = NumericGetDatum(report->amount);
		values[DELIVERY_CURRENCY] = CStringGetTextDatum(report->currency);
	}
	values[DELIVERY_IS_MACHINE] = BoolGetDatum(report->is_machine);
	isnull[DELIVERY_MACHINE_AGENT] = report->agent == NULL;
	if (report->agent != NULL)
		values[DELIVERY_MACHINE_AGENT] = CStringGetTextDatum(report->agent);
	jo_append_row(append, values, isnull);
	jo_append_end(append);
	CommandCounterIncrement();
}
