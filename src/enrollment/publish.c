/*
 * enrollment/publish.c
 *	  publish(): from which event on a version is the one that customers enter,
 *	  and what becomes of those who are there already.
 *
 * Publishing appends an act with a capture ticket: events with a later ticket
 * meet the new version, events with an earlier one the old state, whatever
 * order the lanes read them in.  People inside finish on their version, leave,
 * or move to the new one (act.c); existing customers enter by commands
 * (existing.c).  A pause stays open: publish a repair, then resume.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "core/clock.h"
#include "core/run_as.h"
#include "enrollment/life.h"
#include "enrollment/plan.h"
#include "journey/author.h"

PG_FUNCTION_INFO_V1(journey_orch_publish);

/* Columns of the result. */
#define RESULT_COLUMNS 7

/* Who enters at once, or later. */
enum
{
	EXISTING_FUTURE,
	EXISTING_NOW,
	EXISTING_BOTH
};

static const char *const existing_words[] = {"future", "now", "both"};
static const char *const inflight_words[] = {"finish", "exit", "move"};

/* What a call asks for. */
typedef struct Publishing
{
	char	   *name;
	JoStoredJourney journey;
	int32		version;
	int			existing;
	int			inflight;
	bool		is_preview;
	JoReading  *reading;
} Publishing;

/*
 * One row for the first step of the version, with the people who enter at
 * once, and one for every step of any version with people inside, saying what
 * becomes of them.
 */
static void
put_counts(ReturnSetInfo *result, const Publishing *publication,
		   int64 entering)
{
	const JoGraph *graph = publication->reading->graph;
	Oid			types[5] = {INT4OID, INT4OID, TEXTOID, INT8OID, TEXTOID};
	Datum		values[5];
	JoRunAs		saved;

	values[0] = Int32GetDatum(publication->journey.journey_id);
	values[1] = Int32GetDatum(publication->version);
	values[2] = CStringGetTextDatum(graph->steps[graph->start].name);
	values[3] = Int64GetDatum(entering);
	values[4] = CStringGetTextDatum(inflight_words[publication->inflight]);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT version, step, sum(entering)::bigint, sum(inside)::bigint,"
							  " sum(CASE WHEN NOT exits AND NOT moves AND version <> $2 THEN inside ELSE 0 END)::bigint,"
							  " sum(CASE WHEN exits THEN inside ELSE 0 END)::bigint,"
							  " sum(CASE WHEN moves THEN inside ELSE 0 END)::bigint"
							  " FROM (SELECT e.version, e.step, 0 AS entering, e.inside,"
							  "  $5 = 'exit' AND e.version <> $2 AS exits,"
							  "  $5 = 'move' AND e.version <> $2 AND t.step IS NOT NULL"
							  "   AND (e.is_held OR t.verb = f.verb) AS moves"
							  "  FROM (SELECT version, step, state = 'held' AS is_held, count(*) AS inside"
							  "        FROM journey_orch.enrollment WHERE journey_id = $1 AND state <> 'ended' GROUP BY 1, 2, 3) AS e"
							  "  LEFT JOIN journey_orch.journey_step AS f"
							  "   ON f.journey_id = $1 AND f.version = e.version AND f.step = e.step"
							  "  LEFT JOIN journey_orch.journey_step AS t"
							  "   ON t.journey_id = $1 AND t.version = $2 AND t.step = e.step"
							  "  UNION ALL SELECT $2, $3 COLLATE \"C\", $4, 0, false, false) AS s"
							  " GROUP BY version, step"
							  " ORDER BY version DESC, step <> $3, step",
							  5, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the people inside");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Datum		columns[RESULT_COLUMNS];
		bool		nulls[RESULT_COLUMNS];

		for (int i = 0; i < RESULT_COLUMNS; i++)
			columns[i] = SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, i + 1, &nulls[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, columns, nulls);
	}
	SPI_finish();
	jo_run_as_end(&saved);
}

/* Would the call change anything? */
static bool
is_change(const Publishing *publication, const JoAct *act)
{
	return act == NULL || act->is_stopped ||
		act->version != publication->version ||
		act->is_closed != (publication->existing == EXISTING_NOW) ||
		publication->existing != EXISTING_FUTURE ||
		publication->inflight != JO_INFLIGHT_FINISH;
}

static void
ensure_publishable(const Publishing *publication, const JoAct *act)
{
	if (act != NULL && act->state == JO_JOURNEY_ARCHIVED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" is archived", publication->name),
				 errhint("Define it under another name: what an archived journey did stays as it is.")));
	if (publication->existing != EXISTING_FUTURE &&
		publication->reading->graph->entry.kind != JO_ENTRY_EVENT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" has no entry event that existing customers could have had",
						publication->name),
				 errhint("Publish it with existing => 'future'.")));
}

/* What the row of the act says; "snapshot": what existing customers are
 * gathered by, or NULL. */
static char *
policy_of(const Publishing *publication, Snapshot snapshot)
{
	StringInfoData policy;
	JoSnapshot	seen;
	Datum		xid;

	initStringInfo(&policy);
	appendStringInfo(&policy, "{\"existing\": \"%s\", \"inflight\": \"%s\"",
					 existing_words[publication->existing],
					 inflight_words[publication->inflight]);
	if (snapshot != NULL)
	{
		xid = FullTransactionIdGetDatum(GetTopFullTransactionId());
		jo_snapshot_take(snapshot, &seen);
		appendStringInfo(&policy, ", \"seen\": \"%s\", \"xid\": \"%s\"",
						 DatumGetCString(DirectFunctionCall1(pg_snapshot_out,
															 jo_snapshot_store(&seen))),
						 DatumGetCString(DirectFunctionCall1(xid8out, xid)));
	}
	appendStringInfoChar(&policy, '}');
	return policy.data;
}

/* The graph that takes newcomers before the act, or NULL. */
static const JoGraph *
live_graph(const Publishing *publication, const JoAct *act)
{
	if (act == NULL || act->is_stopped)
		return NULL;
	return jo_graph(publication->journey.journey_id, act->version);
}

/* Write the act and tell the lanes; returns how many existing customers enter. */
static int64
act_on(const Publishing *publication, const JoAct *act, const JoGraph *graph)
{
	const JoGraph *before = live_graph(publication, act);
	TimestampTz at = jo_clock_now();
	Snapshot	snapshot = NULL;
	int64		entering = 0;
	int64		seq;

	if (publication->existing != EXISTING_FUTURE)
	{
		jo_life_hold_lanes();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
	}
	seq = jo_life_act(&publication->journey, JO_ACT_PUBLISH,
					  publication->version, policy_of(publication, snapshot),
					  at);
	if (snapshot != NULL)
	{
		entering = jo_existing_customers(graph, snapshot, seq, true, at);
		UnregisterSnapshot(snapshot);
	}
	if (publication->inflight != JO_INFLIGHT_FINISH)
		jo_life_announce(&publication->journey, JO_ACT_PUBLISH, at);
	jo_plan_follow(publication->journey.journey_id, before, graph, at);
	return entering;
}

static int64
publish(const Publishing *publication, const JoAct *act)
{
	const JoGraph *graph = jo_graph(publication->journey.journey_id,
									publication->version);

	if (graph == NULL)
		elog(ERROR, "version %d of journey \"%s\" is not in the cache",
			 publication->version, publication->name);
	if (publication->is_preview)
		return publication->existing == EXISTING_FUTURE ? 0 :
			jo_existing_customers(graph, GetActiveSnapshot(), PG_INT64_MAX,
								  false, jo_clock_now());
	jo_ensure_approved(publication->name, &publication->journey,
					   publication->version, graph);
	if (!is_change(publication, act))
	{
		ereport(NOTICE,
				(errmsg("version %d of journey \"%s\" is live already",
						publication->version, publication->name)));
		return 0;
	}
	if (act != NULL && act->pause >= 0)
		ereport(NOTICE,
				(errmsg("journey \"%s\" is still paused", publication->name),
				 errhint("Resume it with journey_orch.resume().")));
	return act_on(publication, act, graph);
}

/* publish(journey, version, existing, inflight, preview) */
Datum
journey_orch_publish(PG_FUNCTION_ARGS)
{
	Publishing	publication;
	const JoAct *act;
	Jsonb	   *definition;
	int64		entering;

	jo_ensure_not_null(fcinfo, 0, "journey");
	publication.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	publication.version = jo_version_argument(fcinfo, 1);
	publication.existing = jo_word_argument(fcinfo, 2, "existing",
											existing_words, 3);
	publication.inflight = jo_word_argument(fcinfo, 3, "inflight",
											inflight_words, 3);
	jo_ensure_not_null(fcinfo, 4, "preview");
	publication.is_preview = PG_GETARG_BOOL(4);
	InitMaterializedSRF(fcinfo, 0);

	act = jo_life_begin(publication.name, false, &publication.journey);
	definition = jo_get_definition(publication.name, &publication.journey,
								   &publication.version);

	/* The world may have changed since define(). */
	publication.reading = jo_definition_read(definition,
											 publication.journey.owner, true);
	jo_ensure_valid(publication.name, publication.reading);
	ensure_publishable(&publication, act);

	/* Counted before: the lanes have not heard of it yet. */
	if (publication.reading->graph->entry.kind == JO_ENTRY_SCHEDULE &&
		!publication.is_preview)
		jo_schedule_ensure_timer();
	entering = publish(&publication, act);
	put_counts((ReturnSetInfo *) fcinfo->resultinfo, &publication, entering);
	jo_journey_cache_end();
	return (Datum) 0;
}
