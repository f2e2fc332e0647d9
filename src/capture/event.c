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
#include "capture/event_row.h"
#include "core/append.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/leaf.h"

PG_FUNCTION_INFO_V1(journey_orch_leads_page);

struct JoEventWriter
{
	MemoryContext context;
	JoAppend   *appends[JO_LANES];
	int16		segments[JO_LANES];
	uint32		lanes;			/* those that have an append */
	int64		next_ticket;
	int			tickets_left;
	TimestampTz instant;		/* one reading of the clock a statement */
	TimestampTz recorded_at;
	FullTransactionId xid;
	int32		incarnation;
};

const JoEventCause *jo_event_cause = NULL;

int64
jo_event_ticket(int n)
{
	static Oid	sequence = InvalidOid;
	static uint64 changes = 0;

	if (n < 1 || n > JO_TICKET_BLOCK)
		elog(ERROR, "%d tickets were asked for", n);

	if (!OidIsValid(sequence) || changes != jo_relation_changes())
	{
		changes = jo_relation_changes();
		sequence = jo_relation_oid("event_seq");
	}
	return nextval_internal(sequence, false);
}

JoEventWriter *
jo_event_writer_begin(void)
{
	JoEventWriter *writer;
	JoClock		clock;

	if (!jo_leaf_exists())
		jo_leaf_ensure();

	writer = palloc0(sizeof(JoEventWriter));
	writer->context = CurrentMemoryContext;
	clock = jo_clock();
	writer->instant = jo_event_cause != NULL ? jo_event_cause->instant :
		clock.now;
	writer->recorded_at = clock.is_virtual ? GetCurrentTimestamp() : clock.now;
	writer->xid = GetTopFullTransactionId();
	writer->incarnation = jo_incarnation();
	/* read table "segment" now, if it must be: before the sequence is locked */
	(void) jo_leaf_current(JO_EVENT, 0);

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

/* The trace of an event that a run of the engine has caused. */
static char *
trace_of_cause(const char *trace)
{
	if (trace == NULL)
		return psprintf(JO_TRACE_DEPTH "%d", jo_event_cause->depth);
	return psprintf(JO_TRACE_DEPTH "%d;%s", jo_event_cause->depth, trace);
}

int64
jo_event_write(JoEventWriter *writer, JoEvent *event)
{
	JoEvent		traced;
	JoEventRow	row = {.event = event,.incarnation = writer->incarnation};
	JoAppend   *append;
	MemoryContext old_context;

	row.customer_length = strlen(event->customer_id);
	row.lane = row.customer_length == 0 ? event->control_lane :
		jo_lane_of(event->customer_id, row.customer_length);

	/*
	 * The sequence is locked before any leaf: in that order DROP EXTENSION
	 * comes by (test/isolation/specs/capture_drop).
	 */
	if (event->seq == 0)
		event->seq = draw_ticket(writer);
	append = lane_append(writer, row.lane);
	row.segment = writer->segments[row.lane];

	event->xid = writer->xid;
	if (event->instant == 0)
		event->instant = writer->instant;
	event->recorded_at = writer->recorded_at;

	old_context = MemoryContextSwitchTo(jo_append_row_context(append));
	if (jo_event_cause != NULL)
	{
		traced = *event;
		traced.trace = trace_of_cause(event->trace);
		row.event = &traced;
	}
	jo_append_tuple(append, jo_event_row_form(jo_append_descriptor(append),
											  &row));
	MemoryContextSwitchTo(old_context);

	return event->seq;
}

void
jo_event_writer_end(JoEventWriter *writer)
{
	for (int lane = 0; lane < JO_LANES; lane++)
		if (writer->appends[lane] != NULL)
			jo_append_end(writer->appends[lane]);
	jo_lane_mark(writer->lanes);
	pfree(writer);
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
