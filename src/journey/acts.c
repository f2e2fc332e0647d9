/*
 * journey/acts.c
 *	  What was done to journeys, as a backend knows it.
 *
 * An act (publish, pause, resume, stop, archive) is a row of "publication" with
 * a capture ticket.  How a journey stands follows from the acts before a
 * ticket: which version was published last, whether it was stopped since,
 * whether a pause is open.  These are told apart, so a pause outlives a publish
 * and a stopped journey can still be paused for those inside.
 *
 * Acts of a journey are few and never change; the cache holds all of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "core/cache.h"
#include "core/run_as.h"
#include "journey/acts.h"
#include "journey/pretend.h"

/* Columns of the statement in load_acts(). */
enum
{
	COLUMN_JOURNEY = 1,
	COLUMN_SEQ,
	COLUMN_ACT,
	COLUMN_VERSION,
	COLUMN_AT,
	COLUMN_EXISTING,
	COLUMN_INFLIGHT,
	COLUMN_NEWCOMERS,
	COLUMN_WAITS,
	COLUMN_RATE,
	COLUMN_HELD,
	COLUMN_SEEN,
	COLUMN_XID
};

typedef struct ActList
{
	int32		journey_id;		/* hash key */
	int			nacts;
	int			room;
	JoAct	   *acts;			/* by seq */
} ActList;

static JoCache cache = {
	.name = "acts",
	.tables = {"publication"}
};

static HTAB *lists;				/* ActList by journey */
static int64 last_gathering;	/* ticket of the newest act that gathers, or 0 */

static const char *const kind_names[] = {
	[JO_ACT_PUBLISH] = "publish",
	[JO_ACT_PAUSE] = "pause",
	[JO_ACT_RESUME] = "resume",
	[JO_ACT_STOP] = "stop",
	[JO_ACT_ARCHIVE] = "archive"
};

const char *
jo_act_name(JoActKind kind)
{
	return kind_names[kind];
}

static JoActKind
kind_of(const char *name)
{
	for (int i = 0; i < lengthof(kind_names); i++)
		if (strcmp(name, kind_names[i]) == 0)
			return (JoActKind) i;
	elog(ERROR, "unknown act \"%s\"", name);
}

static Datum
column(HeapTuple tuple, int number, bool *isnull)
{
	return SPI_getbinval(tuple, SPI_tuptable->tupdesc, number, isnull);
}

/* Is the policy in this column this word? */
static bool
policy_is(HeapTuple tuple, int number, const char *word)
{
	bool		isnull;
	Datum		value = column(tuple, number, &isnull);

	return !isnull && strcmp(TextDatumGetCString(value), word) == 0;
}

/* What the row says of the act itself. */
static void
read_act(HeapTuple tuple, JoAct *act)
{
	bool		isnull;
	Datum		value;

	memset(act, 0, sizeof(JoAct));
	act->seq = DatumGetInt64(column(tuple, COLUMN_SEQ, &isnull));
	act->kind = kind_of(TextDatumGetCString(column(tuple, COLUMN_ACT,
												   &isnull)));
	act->at = DatumGetTimestampTz(column(tuple, COLUMN_AT, &isnull));
	act->version = DatumGetInt32(column(tuple, COLUMN_VERSION, &isnull));
	act->is_closed = policy_is(tuple, COLUMN_EXISTING, "now");
	if (policy_is(tuple, COLUMN_INFLIGHT, "exit"))
		act->inflight = JO_INFLIGHT_EXIT;
	else if (policy_is(tuple, COLUMN_INFLIGHT, "move"))
		act->inflight = JO_INFLIGHT_MOVE;
	act->ignores = policy_is(tuple, COLUMN_NEWCOMERS, "ignore");
	act->extends = policy_is(tuple, COLUMN_WAITS, "extend");
	value = column(tuple, COLUMN_RATE, &isnull);
	if (!isnull)
		act->rate = DatumGetFloat8(value);
	value = column(tuple, COLUMN_HELD, &isnull);
	if (!isnull)
		act->held = DatumGetInt64(value);
	value = column(tuple, COLUMN_SEEN, &isnull);
	act->gathers = !isnull;
	if (!isnull)
	{
		MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));

		jo_snapshot_load(value, &act->seen);
		MemoryContextSwitchTo(caller);
		act->xid = DatumGetFullTransactionId(column(tuple, COLUMN_XID,
													&isnull));
	}
}

/* How the journey stands after an act, given how it stood before. */
static void
follow(JoAct *act, const JoAct *before)
{
	bool		is_closed = act->is_closed;

	act->pause = -1;
	if (before != NULL)
	{
		act->pause = before->pause;
		act->is_ignoring = before->is_ignoring;
		act->is_stopped = before->is_stopped;
		if (act->kind != JO_ACT_PUBLISH)
		{
			act->version = before->version;
			is_closed = before->is_closed;
		}
	}
	act->is_closed = is_closed;
	if (act->kind == JO_ACT_PUBLISH)
		act->is_stopped = false;
	else if (act->kind == JO_ACT_STOP)
		act->is_stopped = true;
	else if (act->kind == JO_ACT_RESUME)
	{
		act->ended_pause = act->pause;
		act->pause = -1;
	}
	else if (act->kind == JO_ACT_PAUSE)
		act->is_ignoring = act->ignores;

	if (act->kind == JO_ACT_ARCHIVE)
		act->state = JO_JOURNEY_ARCHIVED;
	else if (act->pause >= 0 || act->kind == JO_ACT_PAUSE)
		act->state = JO_JOURNEY_PAUSED;
	else
		act->state = act->is_stopped ? JO_JOURNEY_STOPPED : JO_JOURNEY_LIVE;
}

static void
append_act(ActList *list, HeapTuple tuple)
{
	JoAct	   *act;

	if (list->nacts >= list->room)
	{
		list->room = Max(4, list->room * 2);
		list->acts = list->acts == NULL ?
			MemoryContextAlloc(jo_cache_context(&cache),
							   sizeof(JoAct) * list->room) :
			repalloc(list->acts, sizeof(JoAct) * list->room);
	}
	act = &list->acts[list->nacts];
	read_act(tuple, act);
	follow(act, list->nacts > 0 ? act - 1 : NULL);
	if (act->kind == JO_ACT_PAUSE)
		act->pause = list->nacts;
	if (act->gathers)
		last_gathering = Max(last_gathering, act->seq);
	list->nacts++;
}

static void
load_acts(void)
{
	bool		isnull;

	if (SPI_execute("SELECT journey_id, seq, act, coalesce(version, 0), at,"
					" policy->>'existing', policy->>'inflight',"
					" policy->>'newcomers', policy->>'waits',"
					" (policy->>'rate')::float8, (policy->>'held')::bigint,"
					" (policy->>'seen')::pg_snapshot, (policy->>'xid')::xid8"
					" FROM journey_orch.publication ORDER BY seq",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read publications");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		int32		id = DatumGetInt32(column(tuple, COLUMN_JOURNEY, &isnull));
		bool		found;
		ActList    *list = hash_search(lists, &id, HASH_ENTER, &found);

		if (!found)
		{
			list->nacts = 0;
			list->room = 0;
			list->acts = NULL;
		}
		append_act(list, tuple);
	}
}

void
jo_acts_begin(void)
{
	HASHCTL		control = {0};
	bool		pushes;
	JoRunAs		saved;

	if (!jo_cache_begin(&cache))
		return;
	control.hcxt = jo_cache_context(&cache);
	control.keysize = sizeof(int32);
	control.entrysize = sizeof(ActList);
	last_gathering = 0;
	lists = hash_create("journey_orch acts", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	pushes = !ActiveSnapshotSet();
	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	load_acts();
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&cache);
}

void
jo_acts_end(void)
{
	jo_cache_end(&cache);
}

const JoAct *
jo_acts(int32 journey_id, int *n)
{
	ActList    *list;

	if (jo_pretence != NULL)
	{
		const JoAct *act = jo_pretended_act(journey_id);

		*n = act != NULL ? 1 : 0;
		return act;
	}
	list = hash_search(lists, &journey_id, HASH_FIND, NULL);
	*n = list != NULL ? list->nacts : 0;
	return list != NULL ? list->acts : NULL;
}

const JoAct *
jo_act_before(int32 journey_id, int64 seq)
{
	ActList    *list;

	if (jo_pretence != NULL)
		return jo_pretended_act(journey_id);
	list = hash_search(lists, &journey_id, HASH_FIND, NULL);
	if (list == NULL)
		return NULL;
	/* Nearly always it is the last one. */
	for (int i = list->nacts - 1; i >= 0; i--)
		if (list->acts[i].seq < seq)
			return &list->acts[i];
	return NULL;
}

bool
jo_act_missed(const JoAct *act, const JoEvent *event)
{
	if (!act->gathers || event->act_seq >= act->seq ||
		event->kind == JO_EVENT_KIND_COMMAND ||
		event->kind == JO_EVENT_KIND_CAUSED_COMMAND)
		return false;
	/* no lane moved while it gathered, so a run has caused it since */
	if (event->kind == JO_EVENT_KIND_CAUSED_EVENT ||
		event->kind == JO_EVENT_KIND_CAUSED_MESSAGE)
		return true;
	return !FullTransactionIdEquals(event->xid, act->xid) &&
		!jo_snapshot_is_finished(&act->seen, event->xid);
}

bool
jo_acts_may_have_missed(const JoEvent *event)
{
	return event->act_seq < last_gathering;
}

const JoAct *
jo_act_met(int32 journey_id, const JoEvent *event)
{
	ActList    *list;

	if (jo_pretence != NULL)
		return jo_pretended_act(journey_id);
	list = hash_search(lists, &journey_id, HASH_FIND, NULL);
	if (list == NULL)
		return NULL;
	if (list->acts[list->nacts - 1].state == JO_JOURNEY_ARCHIVED)
		return &list->acts[list->nacts - 1];
	for (int i = list->nacts - 1; i >= 0; i--)
		if (list->acts[i].seq < event->act_seq ||
			jo_act_missed(&list->acts[i], event))
			return &list->acts[i];
	return NULL;
}

int64
jo_act_first_between(TimestampTz after, TimestampTz upto)
{
	HASH_SEQ_STATUS status;
	ActList    *list;
	int64		first = PG_INT64_MAX;

	hash_seq_init(&status, lists);
	while ((list = hash_seq_search(&status)) != NULL)
		for (int i = list->nacts - 1; i >= 0; i--)
		{
			const JoAct *act = &list->acts[i];

			if (act->at <= upto && act->at > after && act->seq < first)
				first = act->seq;
		}
	return first;
}

const JoAct *
jo_act_pause(int32 journey_id, const JoAct *act)
{
	ActList    *list = hash_search(lists, &journey_id, HASH_FIND, NULL);

	if (act == NULL || act->pause < 0)
		return NULL;
	return &list->acts[act->pause];
}

const JoAct *
jo_act_ended_pause(int32 journey_id, const JoAct *act)
{
	ActList    *list = hash_search(lists, &journey_id, HASH_FIND, NULL);

	return &list->acts[act->ended_pause];
}

bool
jo_act_stops_after(int32 journey_id, int64 seq)
{
	ActList    *list = hash_search(lists, &journey_id, HASH_FIND, NULL);

	if (list == NULL)
		return false;
	for (int i = list->nacts - 1; i >= 0 && list->acts[i].seq > seq; i--)
		if (list->acts[i].kind == JO_ACT_STOP)
			return true;
	return false;
}

/* Does the act mean something to people inside? */
static bool
concerns_people(const JoAct *act)
{
	switch (act->kind)
	{
		case JO_ACT_PUBLISH:
		case JO_ACT_STOP:
			return act->inflight != JO_INFLIGHT_FINISH;
		case JO_ACT_PAUSE:
		case JO_ACT_RESUME:
			return true;
		case JO_ACT_ARCHIVE:
			return false;
	}
	return false;
}

const JoAct *
jo_act_after(int32 journey_id, int64 seq)
{
	ActList    *list = hash_search(lists, &journey_id, HASH_FIND, NULL);
	const JoAct *next = NULL;

	if (list == NULL || jo_pretence != NULL)
		return NULL;
	for (int i = list->nacts - 1; i >= 0 && list->acts[i].seq > seq; i--)
		if (concerns_people(&list->acts[i]))
			next = &list->acts[i];
	return next;
}

const char *
jo_act_refusal(const JoAct *act)
{
	if (act == NULL)
		return NULL;
	if (act->is_stopped)
		return "stopped";
	if (act->pause >= 0 && act->is_ignoring)
		return "paused";
	return act->is_closed ? "closed" : NULL;
}

void
jo_acts_init(void)
{
	jo_cache_register(&cache);
}
