/*
 * capture/event.c
 *	  Appends to the event log, in the transaction of whoever changed something.
 *
 * A row goes to the leaf of its customer's lane.  Its ticket (seq) is drawn
 * while the statement runs, from blocks of JO_TICKET_BLOCK: two transactions
 * that conflict on a user's row are serialised by that row's lock before
 * either draws, so tickets follow the order of conflicting statements, which
 * xids do not (see test/isolation/specs/capture_order.spec).  What is left of a
 * block when its statement ends is never used.
 *
 * Only inserts, only into leaves nobody else updates, in the order of lanes
 * the rows come in: no row lock is waited for, and a leaf that somebody has
 * locked whole (TRUNCATE, VACUUM FULL) is stepped around by taking the next
 * segment, so capture cannot deadlock the application.
 *
 * The index (xid, seq) of a leaf is by page (core/index.h): an entry a row would
 * cost as much as the row.  Rows of a flush share the fate of one
 * subtransaction, so an entry that VACUUM removes stood for dead rows only.
 * window.c reads the pages.
 *
 * A crash or rollback takes the events with the change that caused them; there
 * is nothing here to recover.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "capture/capture.h"
#include "capture/event_columns.h"
#include "core/append.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/leaf.h"

PG_FUNCTION_INFO_V1(journey_orch_leads_page);

struct JoEventWriter
{
	MemoryContext context;
	MemoryContext row_context;	/* one row's values; reset by each write */
	JoAppend   *appends[JO_LANES];
	int16		segments[JO_LANES];
	uint32		lanes;			/* those that have an append */
	int64		next_ticket;
	int			tickets_left;
	TimestampTz instant;		/* one reading of the clock a statement */
	TimestampTz recorded_at;
	Datum		xid;
	int32		incarnation;
};

int64
jo_event_ticket(int n)
{
	if (n < 1 || n > JO_TICKET_BLOCK)
		elog(ERROR, "%d tickets were asked for", n);

	return nextval_internal(jo_relation_oid("event_seq"), false);
}

JoEventWriter *
jo_event_writer_begin(void)
{
	MemoryContext context;
	MemoryContext old_context;
	JoEventWriter *writer;
	JoClock		clock;

	if (!jo_leaf_exists())
		jo_leaf_ensure();

	context = AllocSetContextCreate(CurrentMemoryContext, "jo_event_writer",
									ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(context);
	writer = palloc0(sizeof(JoEventWriter));
	writer->context = context;
	writer->row_context = AllocSetContextCreate(context, "jo_event_writer row",
												ALLOCSET_SMALL_SIZES);
	clock = jo_clock();
	writer->instant = clock.now;
	writer->recorded_at = clock.is_virtual ? GetCurrentTimestamp() : clock.now;
	writer->xid = FullTransactionIdGetDatum(GetTopFullTransactionId());
	writer->incarnation = jo_incarnation();
	MemoryContextSwitchTo(old_context);

	return writer;
}

/*
 * Lock a leaf of the lane's log for appending and return it: the current
 * segment, or the next one that nobody has locked against writers.
 */
static Oid
lock_segment(int lane, int16 *segment)
{
	int			current = jo_leaf_current(JO_EVENT, lane);
	Oid			relid;

	for (int i = 0; i < JO_SEGMENTS_MAX; i++)
	{
		*segment = (current + i) % JO_SEGMENTS_MAX;
		relid = jo_leaf_oid(JO_EVENT, lane, *segment);
		if (!OidIsValid(relid) ||
			!ConditionalLockRelationOid(relid, RowExclusiveLock))
			continue;

		/* It may have been dropped before the lock was granted. */
		if (jo_leaf_oid(JO_EVENT, lane, *segment) == relid)
			return relid;
		UnlockRelationOid(relid, RowExclusiveLock);
	}

	*segment = current;
	relid = jo_leaf_oid(JO_EVENT, lane, current);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the event log of lane %d has no leaf", lane),
				 errhint("Run journey_orch.maintain().")));
	LockRelationOid(relid, RowExclusiveLock);
	return relid;
}

static JoAppend *
lane_append(JoEventWriter *writer, int lane)
{
	if (writer->appends[lane] == NULL)
	{
		Oid			relid = lock_segment(lane, &writer->segments[lane]);
		MemoryContext old_context = MemoryContextSwitchTo(writer->context);

		writer->appends[lane] = jo_append_begin(relid);
		MemoryContextSwitchTo(old_context);
		writer->lanes |= (uint32) 1 << lane;
	}
	return writer->appends[lane];
}

static int64
draw_ticket(JoEventWriter *writer)
{
	if (writer->tickets_left == 0)
	{
		writer->next_ticket = jo_event_ticket(JO_TICKET_BLOCK);
		writer->tickets_left = JO_TICKET_BLOCK;
	}
	writer->tickets_left--;
	return writer->next_ticket++;
}

int64
jo_event_write(JoEventWriter *writer, JoEvent *event)
{
	int			length = strlen(event->customer_id);
	int			lane = length == 0 ? event->control_lane :
	jo_lane_of(event->customer_id, length);
	JoAppend   *append = lane_append(writer, lane);
	MemoryContext old_context = MemoryContextSwitchTo(writer->row_context);
	Datum		values[EVENT_COLUMNS] = {0};
	bool		isnull[EVENT_COLUMNS] = {false};

	if (event->seq == 0)
		event->seq = draw_ticket(writer);
	if (event->instant == 0)
		event->instant = writer->instant;
	event->recorded_at = writer->recorded_at;

	values[EVENT_SEQ] = Int64GetDatum(event->seq);
	values[EVENT_XID] = writer->xid;
	values[EVENT_INSTANT] = TimestampTzGetDatum(event->instant);
	values[EVENT_RECORDED_AT] = TimestampTzGetDatum(event->recorded_at);
	isnull[EVENT_OCCURRED_AT] = !event->has_occurred_at;
	if (event->has_occurred_at)
		values[EVENT_OCCURRED_AT] = TimestampTzGetDatum(event->occurred_at);
	values[EVENT_INCARNATION] = Int32GetDatum(writer->incarnation);
	isnull[EVENT_WATCH_ID] = event->watch_id == 0;
	values[EVENT_WATCH_ID] = Int32GetDatum(event->watch_id);
	values[EVENT_LANE] = Int16GetDatum(lane);
	values[EVENT_SEGMENT] = Int16GetDatum(writer->segments[lane]);
	values[EVENT_KIND] = CharGetDatum(event->kind);
	values[EVENT_CUSTOMER_ID] =
		PointerGetDatum(cstring_to_text_with_len(event->customer_id, length));
	values[EVENT_NAME] = CStringGetTextDatum(event->name);
	isnull[EVENT_PAYLOAD] = event->payload == NULL;
	values[EVENT_PAYLOAD] = JsonbPGetDatum(event->payload);
	isnull[EVENT_TRACE] = event->trace == NULL;
	if (event->trace != NULL)
		values[EVENT_TRACE] = CStringGetTextDatum(event->trace);

	jo_append_row(append, values, isnull);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(writer->row_context);

	return event->seq;
}

void
jo_event_writer_end(JoEventWriter *writer)
{
	for (int lane = 0; lane < JO_LANES; lane++)
		if (writer->appends[lane] != NULL)
			jo_append_end(writer->appends[lane]);
	jo_lane_mark(writer->lanes);
	MemoryContextDelete(writer->context);
}

void
jo_event_append(JoEvent *events, int n)
{
	JoEventWriter *writer;

	if (n == 0)
		return;
	writer = jo_event_writer_begin();
	for (int i = 0; i < n; i++)
		jo_event_write(writer, &events[i]);
	jo_event_writer_end(writer);
}

/* SQL: journey_orch._leads_page(seq) */
Datum
journey_orch_leads_page(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
