/*
 * enrollment/plan_watch.c
 *	  How the engine learns that a customer's date has changed.
 *
 * Where the bound relation is a table that belongs to whoever bound it, and the
 * dates are a matter of its own columns, an ordinary watch turns the changes of
 * those columns into commands "$plan" (plan.c): changes of others cost one
 * comparison.  Everything else (a view, a date read from another table) is
 * looked at from time to time by a pass over all customers (plan_pass.c), and so
 * is a pass that failed.
 *
 * The watch follows the journeys: it names the columns that the dates of the
 * live ones read, and is gone when there are none.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audience/audience.h"
#include "capture/capture.h"
#include "core/clock.h"
#include "core/lane.h"
#include "core/run_as.h"
#include "core/upkeep.h"
#include "enrollment/plan.h"
#include "journey/acts.h"

/* Real time between two looks at everybody. */
#define SCAN_INTERVAL_MS (15 * 60 * 1000)

/* The watch that the dates need. */
typedef struct Watch
{
	Oid			relation;
	char	   *customer_sql;
	char	   *condition_sql;
} Watch;

/* Tell every lane: look at the dates of all customers, or forget them. */
static void
announce(int32 journey_id, bool drops, TimestampTz at)
{
	char	   *payload = psprintf("{\"journey_id\": %d%s}", journey_id,
								   drops ? ", \"drop\": true" : "");
	JoEvent		events[JO_LANES];

	memset(events, 0, sizeof(events));
	for (int lane = 0; lane < JO_LANES; lane++)
	{
		events[lane].kind = JO_EVENT_KIND_COMMAND;
		events[lane].customer_id = "";
		events[lane].control_lane = lane;
		events[lane].name = JO_COMMAND_PLAN;
		events[lane].instant = at;
		events[lane].payload =
			DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(payload)));
	}
	jo_event_append(events, JO_LANES);
}

/* The graphs whose dates count; "after" stands for its journey. */
static List *
live_graphs(int32 journey_id, const JoGraph *after)
{
	List	   *graphs = NIL;
	ListCell   *cell;

	foreach(cell, jo_graphs_entered_by_date(PG_INT64_MAX))
	{
		const JoGraph *graph = lfirst(cell);

		if (graph->journey_id != journey_id &&
			!jo_act_before(graph->journey_id, PG_INT64_MAX)->is_stopped)
			graphs = lappend(graphs, lfirst(cell));
	}
	if (after != NULL)
		graphs = lappend(graphs, unconstify(JoGraph *, after));
	return graphs;
}

/* Add "new.c IS NOT NULL OR …" or the like to "out", over the columns. */
static void
append_columns(StringInfo out, Oid relation, const Bitmapset *columns,
			   const char *form)
{
	int			column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		const char *name = quote_identifier(get_attname(relation, column,
														false));

		if (out->len > 0)
			appendStringInfoString(out, " OR ");
		appendStringInfo(out, form, name, name);
	}
}

/* Which columns the dates read, and whether they all are NULL with those. */
static bool
collect_columns(List *graphs, Bitmapset **columns, bool *are_strict)
{
	ListCell   *cell;

	*columns = NULL;
	*are_strict = true;
	foreach(cell, graphs)
	{
		const JoGraph *graph = lfirst(cell);
		Bitmapset  *own;
		bool		is_strict;

		if (graph->error != NULL ||
			!jo_expression_customer_columns(graph->entry.date.date, &own,
											&is_strict))
			return false;
		*are_strict &= is_strict && !bms_is_empty(own);
		*columns = bms_add_members(*columns, own);
	}
	return true;
}

/*
 * The watch that sees all changes of the graphs' dates.  False: there is none.
 * A customer who has none of the dates makes no events, if that can be told.
 */
static bool
make_watch(List *graphs, Watch *watch)
{
	JoCustomerRows rows;
	Bitmapset  *columns;
	bool		are_strict;
	StringInfoData condition;
	StringInfoData present;
	StringInfoData others;

	if (!jo_customer_rows(&rows) ||
		!collect_columns(graphs, &columns, &are_strict))
		return false;
	initStringInfo(&condition);
	initStringInfo(&present);
	initStringInfo(&others);
	append_columns(&condition, rows.relation, columns,
				   "new.%s IS DISTINCT FROM old.%s");
	append_columns(&others, rows.relation,
				   bms_union(rows.id_columns, rows.zone_columns),
				   "new.%s IS DISTINCT FROM old.%s");
	append_columns(&present, rows.relation, columns, "new.%s IS NOT NULL");
	if (are_strict)
		appendStringInfo(&condition, " OR ((%s) AND (%s))", others.data,
						 present.data);
	else
		appendStringInfo(&condition, "%s%s", condition.len > 0 ? " OR " : "",
						 others.data);
	watch->relation = rows.relation;
	watch->customer_sql = psprintf("coalesce((%s)::text, (%s)::text)",
								   rows.new_id, rows.old_id);
	watch->condition_sql = condition.data;
	return true;
}

/* Make the watch what the graphs need; false: their changes are not seen. */
static bool
follow(List *graphs, bool changes)
{
	Watch		watch;

	if (graphs != NIL && make_watch(graphs, &watch) &&
		jo_watch_own(watch.relation, JO_COMMAND_PLAN, watch.customer_sql,
					 watch.condition_sql, changes))
		return true;
	if (changes)
		jo_unwatch_own(JO_COMMAND_PLAN);
	return false;
}

void
jo_plan_follow(int32 journey_id, const JoGraph *before, const JoGraph *after,
			   TimestampTz at)
{
	if (before != NULL && before->entry.kind != JO_ENTRY_DATE)
		before = NULL;
	if (after != NULL && after->entry.kind != JO_ENTRY_DATE)
		after = NULL;
	if (before == NULL && after == NULL)
		return;
	(void) follow(live_graphs(journey_id, after), true);
	announce(journey_id, after == NULL, at);
}

void
jo_plan_forget(int32 journey_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1];
	JoRunAs		saved;

	values[0] = Int32GetDatum(journey_id);
	jo_run_as_extension(&saved);
	SPI_connect();
	SPI_execute_with_args("DELETE FROM journey_orch.planned_entry WHERE journey_id = $1",
						  1, types, values, NULL, false, 0);
	SPI_execute_with_args("DELETE FROM journey_orch.plan_pass WHERE journey_id = $1",
						  1, types, values, NULL, false, 0);
	SPI_finish();
	jo_run_as_end(&saved);
}

/* JoCustomerBound: other rows, other dates. */
static void
rebind(void)
{
	List	   *graphs;

	CommandCounterIncrement();
	jo_journey_cache_begin();
	graphs = live_graphs(0, NULL);
	if (graphs != NIL)
	{
		(void) follow(graphs, true);
		announce(0, false, jo_clock_now());
	}
	jo_journey_cache_end();
}

/* Is it time to look at everybody? */
static bool
is_scan_due(void)
{
	bool		isnull;
	bool		is_due;

	if (SPI_execute(psprintf("SELECT count(*) FILTER (WHERE finished_at IS NULL"
							 "  OR started_at > clock_timestamp() - interval '%d ms') = 0"
							 " FROM journey_orch.plan_pass WHERE journey_id = 0",
							 SCAN_INTERVAL_MS), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the looks at all dates");
	is_due = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return is_due;
}

/* Begin again what failed some time ago. */
static void
repeat_failed(TimestampTz at)
{
	SPITupleTable *table;
	uint64		n;

	if (SPI_execute(psprintf("SELECT DISTINCT journey_id FROM journey_orch.plan_pass"
							 " WHERE error IS NOT NULL AND journey_id <> 0"
							 " AND finished_at < clock_timestamp() - interval '%d ms'",
							 SCAN_INTERVAL_MS), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the looks at all dates");
	table = SPI_tuptable;
	n = SPI_processed;
	for (uint64 row = 0; row < n; row++)
	{
		bool		isnull;

		announce(DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc,
											 1, &isnull)), false, at);
		jo_upkeep_report(NULL, "announced",
						 "another look at all customers' dates, after an error");
	}
	SPI_freetuptable(table);
}

/* JoUpkeepTask */
static bool
keep_up(void)
{
	List	   *graphs;

	PushActiveSnapshot(GetLatestSnapshot());
	jo_journey_cache_begin();
	graphs = live_graphs(0, NULL);
	if (graphs != NIL)
	{
		SPI_connect();
		if (!follow(graphs, false) && is_scan_due())
		{
			announce(0, false, jo_clock_now());
			jo_upkeep_report(NULL, "announced",
							 "a look at all customers' dates, whose changes are not seen");
		}
		repeat_failed(jo_clock_now());
		SPI_finish();
	}
	jo_journey_cache_end();
	PopActiveSnapshot();
	return false;
}

void
jo_plan_init(void)
{
	jo_customer_bound = rebind;
	jo_upkeep_register_task(keep_up);
}
