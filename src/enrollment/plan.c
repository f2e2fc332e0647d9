/*
 * enrollment/plan.c
 *	  Entries by a date that the customer holds: when the next one is due, and
 *	  what happens when it is.
 *
 * A customer has one plan for each journey that a date enters: the instant at
 * which he enters next, computed from the date ("basis") by the rules of a delay
 * until a date, and a hint among the timers.  It is computed again when his row
 * changes (plan_watch.c), when everybody is looked at (plan_pass.c), and always
 * at that instant: what the row says then counts, so a date that was moved or
 * removed unnoticed enters nobody.  The lane's one writer does all of it.
 *
 * A date enters once.  "taken" is the recurrence up to which all is over; it is
 * forgotten when the date is another one, but not its last instant, which is
 * never taken twice.  A date that had passed when it became known is over too,
 * unless the entry says "past": "enter".  One that only moves, because the
 * customer's zone is another, has not passed.
 *
 * When the instant comes the plan goes on to the next recurrence and causes
 * command "$date", the customer's next input, by which he is tried like any
 * newcomer (entry.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/datetime.h"
#include "utils/errcodes.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "enrollment/careful.h"
#include "enrollment/cause.h"
#include "enrollment/json.h"
#include "journey/acts.h"

/* Stands for the step where the entry's jitter is computed. */
#define JITTER_STEP "$entry"

/* A date and what it means for one customer. */
typedef struct Dated
{
	const JoGraph *graph;
	const JoDateRule *rule;
	const char *customer_id;
	Datum		value;
	pg_tz	   *zone;
	const char *zone_name;
	char	   *date;			/* as text */
	char	   *basis;			/* with its recurrence */
} Dated;

static JoPlan *
find_plan(const JoMember *member, int32 journey_id)
{
	ListCell   *cell;

	foreach(cell, member->plans)
	{
		JoPlan	   *plan = lfirst(cell);

		if (plan->journey_id == journey_id)
			return plan;
	}
	return NULL;
}

/* The plan for the journey, made when it is new. */
static JoPlan *
get_plan(JoMember *member, int32 journey_id)
{
	JoPlan	   *plan = find_plan(member, journey_id);
	MemoryContext caller;

	if (plan != NULL)
		return plan;
	caller = MemoryContextSwitchTo(GetMemoryChunkContext(member));
	plan = palloc0(sizeof(JoPlan));
	plan->journey_id = journey_id;
	plan->due_at = plan->hint_at = plan->last_at = JO_NO_TIME;
	plan->taken = -1;
	plan->is_gone = true;
	member->plans = lappend(member->plans, plan);
	MemoryContextSwitchTo(caller);
	return plan;
}

/*
 * Add a stored plan to the member's.  Only a trial writes a second row for the
 * same journey: the newer one counts.
 */
void
jo_plan_keep(JoMember *member, JoPlan *plan)
{
	JoPlan	   *other = find_plan(member, plan->journey_id);

	if (other == NULL)
		member->plans = lappend(member->plans, plan);
	else if (plan->generation > other->generation)
		*other = *plan;
}

/* The earliest instant at which the member enters something. */
TimestampTz
jo_plan_next_due(const JoMember *member)
{
	TimestampTz due = JO_NO_TIME;
	ListCell   *cell;

	foreach(cell, member->plans)
	{
		const JoPlan *plan = lfirst(cell);

		if (plan->due_at != JO_NO_TIME && !plan->is_gone &&
			(due == JO_NO_TIME || plan->due_at < due))
			due = plan->due_at;
	}
	return due;
}

/* Say what the plan is from now on; JO_NO_TIME: nothing is to come. */
static void
set_due(JoMember *member, JoPlan *plan, const Dated *dated, int64 times,
		TimestampTz due)
{
	if (plan->basis == NULL || !jo_streq(plan->basis, dated->basis))
		plan->basis = MemoryContextStrdup(GetMemoryChunkContext(member),
										  dated->basis);
	plan->times = times;
	plan->due_at = due;
	plan->error = NULL;
	plan->is_gone = false;
	plan->is_changed = true;
}

/* Nothing is to come; what was taken is remembered. */
static void
lay_down(JoPlan *plan)
{
	if (plan == NULL || (plan->is_gone && !plan->is_stored))
		return;
	plan->is_changed |= plan->due_at != JO_NO_TIME || plan->error != NULL;
	plan->due_at = JO_NO_TIME;
	plan->error = NULL;
	if (plan->last_at == JO_NO_TIME)
		plan->is_gone = plan->is_changed = true;
}

/* The customer is gone, and what he has entered by with him. */
static void
forget(JoPlan *plan)
{
	if (plan != NULL && !plan->is_gone)
		plan->is_gone = plan->is_changed = true;
}

/* The date cannot be told: nothing is to come until it can. */
void
jo_plan_give_up(JoMember *member, JoPlan *plan, const char *message)
{
	plan->due_at = JO_NO_TIME;
	plan->error = MemoryContextStrdup(GetMemoryChunkContext(member), message);
	plan->is_gone = false;
	plan->is_changed = true;
}

/* Is it this plan's instant that has come? */
static bool
is_due(const JoMember *member, const JoPlan *plan)
{
	return member->event == NULL && plan->due_at != JO_NO_TIME &&
		!plan->is_gone && plan->due_at <= member->due;
}

/*
 * The date of this customer raises.  It is logged once, and again when it would
 * have entered; a plan that is still to come is kept and asked again then.
 */
static void
fail(JoBatch *batch, JoMember *member, const JoGraph *graph,
	 const char *reason, const JoError *error)
{
	JoPlan	   *plan = get_plan(member, graph->journey_id);
	bool		was_due = is_due(member, plan);
	TimestampTz due = plan->due_at;

	if (was_due || plan->error == NULL ||
		!jo_streq(plan->error, error->message))
		jo_log_refusal(batch, member, graph, NULL, reason, error);
	else
		return;
	jo_plan_give_up(member, plan, error->message);
	if (!was_due)
		plan->due_at = due;
}

static void
plan_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
	fail(batch, task->member, task->graph, "date_error", error);
}

/* No instant of the date is in PostgreSQL's range. */
static void
fail_range(JoBatch *batch, JoMember *member, const Dated *dated)
{
	JoError		error = {0};

	strlcpy(error.sqlstate,
			unpack_sql_state(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			sizeof(error.sqlstate));
	error.message = psprintf("the entry has no instant in range in time zone \"%s\"",
							 dated->zone_name);
	fail(batch, member, dated->graph, "date_error", &error);
}

static void
read_date(Dated *dated, const JoMember *member, const JoGraph *graph,
		  Datum value)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;
	const Interval *every = &graph->entry.date.every.interval;

	dated->graph = graph;
	dated->rule = &graph->entry.date;
	dated->customer_id = member->customer_id;
	dated->value = value;
	dated->zone_name = member->profile.timezone != NULL ?
		member->profile.timezone : graph->timezone;
	dated->zone = jo_zone_get(dated->zone_name);
	JsonEncodeDateTime(buffer, value,
					   getBaseType(jo_expression_type(dated->rule->date)),
					   &utc);
	dated->date = pstrdup(buffer);
	dated->basis = !graph->entry.recurs ? dated->date :
		psprintf("%s every %d months %d days " INT64_FORMAT " us", buffer,
				 every->month, every->day, every->time);
}

/* The customer's part of the jitter is added where the entry has one. */
static TimestampTz
add_jitter(const Dated *dated, TimestampTz instant)
{
	return instant + jo_due_jitter(&dated->rule->timing, instant, dated->zone,
								   dated->graph->name, JITTER_STEP,
								   dated->customer_id);
}

/* When the journey was last published, as this batch knows it. */
static TimestampTz
published_at(int32 journey_id)
{
	int			n;
	const JoAct *acts = jo_acts(journey_id, &n);

	while (--n >= 0)
		if (acts[n].kind == JO_ACT_PUBLISH)
			return acts[n].at;
	return JO_NO_TIME;
}

/*
 * Since when the date, whatever it is, may be taken as known: what lies before
 * has passed.  Whoever looks at everybody says since when nobody has.
 */
static TimestampTz
known_since(const JoMember *member, const JoGraph *graph)
{
	TimestampTz since = member->now;

	if (member->event != NULL)
	{
		since = jo_json_timestamp(member->event->payload, "since");
		if (since == JO_NO_TIME)
			since = member->event->instant;
	}
	return Max(since, published_at(graph->journey_id));
}

/*
 * The first recurrence from "arrival" on of a date whose own instant lies
 * before.  False: there is none.
 */
static bool
find_next(const Dated *dated, TimestampTz first, TimestampTz arrival,
		  int64 *times, TimestampTz *instant)
{
	return dated->graph->entry.recurs &&
		jo_due_next_date(dated->rule, dated->value, first, arrival,
						 dated->zone, instant, times) &&
		*times <= PG_INT32_MAX;
}

/*
 * What is to come of a date after "taken" and from "since" on.  False: nothing;
 * then *times is the recurrence that is over.
 */
static bool
look_ahead(const Dated *dated, const JoPlan *plan, int taken,
		   TimestampTz first, TimestampTz since, int64 *times,
		   TimestampTz *due)
{
	TimestampTz arrival = since;
	TimestampTz instant = first;

	*times = Max(taken, 0);
	if (taken >= 0)
	{
		if (!jo_due_date(dated->rule, dated->value, taken, dated->zone,
						 &instant))
			return false;
		arrival = Max(arrival, instant + 1);
	}
	else if (first < since && dated->graph->entry.enters_when_past &&
			 !dated->graph->entry.recurs)
	{
		*due = first;
		return first != plan->last_at;
	}
	instant = first;
	if (instant < arrival &&
		!find_next(dated, first, arrival, times, &instant))
		return false;
	*due = add_jitter(dated, instant);
	if (*due != plan->last_at)
		return true;
	/* another date, but he has entered at this very instant */
	if (!find_next(dated, first, instant + 1, times, &instant))
		return false;
	*due = add_jitter(dated, instant);
	return true;
}

/* Plan anew. */
static void
look_anew(JoBatch *batch, JoMember *member, JoPlan *plan, const Dated *dated,
		  bool is_same)
{
	int64		times = 0;
	TimestampTz first;
	TimestampTz due = JO_NO_TIME;
	int			taken = is_same ? plan->taken : -1;

	if (!jo_due_date(dated->rule, dated->value, 0, dated->zone, &first))
	{
		fail_range(batch, member, dated);
		return;
	}
	if (TIMESTAMP_NOT_FINITE(first) ||
		!look_ahead(dated, plan, taken, first,
					known_since(member, dated->graph), &times, &due))
	{
		if (!is_same && !plan->is_gone)
		{
			set_due(member, plan, dated, times, JO_NO_TIME);
			plan->taken = times;
		}
		lay_down(plan);
		return;
	}
	set_due(member, plan, dated, times, due);
	plan->taken = taken;
}

/*
 * The state of the plan's journey now: the newest act that comes before this
 * among timers (act.c), and a ticket behind it.  NULL: nobody enters then.  A
 * date that had passed when it became known enters at the input that told it,
 * so acts of this instant with a later ticket come after it.
 */
static const JoAct *
find_act(const JoBatch *batch, const JoMember *member, const JoPlan *plan,
		 int64 *ticket)
{
	int			n;
	const JoAct *acts = jo_acts(plan->journey_id, &n);
	int64		limit = batch->act_limit;

	if (batch->clock.is_virtual && plan->due_at < member->now &&
		member->newest_ticket != 0)
		limit = Min(limit, member->newest_ticket);
	*ticket = 0;
	for (int i = n - 1; i >= 0; i--)
	{
		if (acts[i].seq <= limit &&
			jo_act_instant(batch, &acts[i]) <= member->now)
			return acts[i].is_stopped ||
				acts[i].state == JO_JOURNEY_ARCHIVED ? NULL : &acts[i];
		*ticket = acts[i].seq;
	}
	return NULL;
}

/* The instant has come: enter, and go on to the next recurrence. */
static void
take(JoBatch *batch, JoMember *member, JoPlan *plan, const Dated *dated)
{
	Jsonb	   *event = jo_json_put_string(NULL, "date", dated->date);
	Jsonb	   *payload = jo_json_put_int(NULL, "journey_id",
										  dated->graph->journey_id);
	TimestampTz first;
	TimestampTz instant;
	int64		times = plan->times;
	int64		ticket;
	JoEvent    *caused;

	event = jo_json_put_time(event, "due_at", plan->due_at);
	event = jo_json_put_int(event, "occurrence", plan->times);
	event = jo_json_put_string(event, "timezone", dated->zone_name);
	payload = jo_json_put_int(payload, "version", dated->graph->version);
	payload = jo_json_put_string(payload, "name", JO_COMMAND_DATE);
	payload = jo_jsonb_put(payload, "event", event);
	caused = jo_cause_entry(batch, member,
							psprintf("%d %d", plan->journey_id, plan->times),
							payload);
	(void) find_act(batch, member, plan, &ticket);
	if (ticket != 0)
		caused->act_seq = ticket;

	plan->last_at = plan->due_at;
	plan->taken = plan->times;
	if (jo_due_date(dated->rule, dated->value, 0, dated->zone, &first) &&
		jo_due_date(dated->rule, dated->value, times, dated->zone,
					&instant) &&
		find_next(dated, first, Max(Max(member->now, instant), first) + 1,
				  &times, &instant))
		set_due(member, plan, dated, times, add_jitter(dated, instant));
	else
		set_due(member, plan, dated, plan->times, JO_NO_TIME);
}

/* The customer's date is known: what does it mean for his plan? */
static void
settle(JoBatch *batch, JoTask *task)
{
	JoMember   *member = task->member;
	JoPlan	   *plan = get_plan(member, task->graph->journey_id);
	Dated		dated;
	bool		is_same;
	TimestampTz instant;

	if (task->isnull)
	{
		lay_down(plan);
		return;
	}
	read_date(&dated, member, task->graph, task->value);
	is_same = !plan->is_gone && plan->basis != NULL &&
		jo_streq(plan->basis, dated.basis);
	if (is_same && plan->due_at != JO_NO_TIME)
	{
		if (!jo_due_date(dated.rule, dated.value, plan->times, dated.zone,
						 &instant))
		{
			fail_range(batch, member, &dated);
			return;
		}
		/* one that entered late did so without jitter */
		if (instant == plan->due_at ||
			add_jitter(&dated, instant) == plan->due_at)
		{
			if (plan->error != NULL)
				set_due(member, plan, &dated, plan->times, plan->due_at);
			if (is_due(member, plan))
				take(batch, member, plan, &dated);
			return;
		}
		/* the same date at another instant: only a publication makes it past */
		if (member->event == NULL ||
			!jo_json_bool(member->event->payload, "published"))
		{
			set_due(member, plan, &dated, plan->times,
					add_jitter(&dated, instant));
			return;
		}
	}
	look_anew(batch, member, plan, &dated, is_same);
}

/* The variables of a date: the customer. */
static const JoVariables *
date_variables(JoBatch *batch, const JoMember *member)
{
	JoVariables *variables = MemoryContextAllocZero(batch->round,
													sizeof(JoVariables));

	variables->customer = member->profile.row;
	variables->customer_isnull = !member->profile.exists ||
		!batch->has_binding;
	variables->event_isnull = variables->context_isnull = true;
	variables->journey_isnull = true;
	return variables;
}

static bool
plan_resume(JoBatch *batch, JoTask *task)
{
	const JoGraph *graph = task->graph;
	JoMember   *member = task->member;

	if (task->stage > 0)
		settle(batch, task);
	else if (graph->error != NULL)
		fail(batch, member, graph, "journey_error", graph->error);
	else if (member->profile.error != NULL)
		fail(batch, member, graph, "customer_error", member->profile.error);
	else if (!member->profile.exists)
		forget(find_plan(member, graph->journey_id));
	else
	{
		task->stage++;
		task->request = JO_REQUEST_VALUE;
		task->expression = graph->entry.date.date;
		task->variables = date_variables(batch, member);
		return false;
	}
	return true;
}

static List *
add_task(JoBatch *batch, JoMember *member, const JoGraph *graph, List *tasks)
{
	JoTask	   *task;

	if (batch->care != NULL && jo_care_refuses(batch, member, graph))
	{
		JoPlan	   *plan = find_plan(member, graph->journey_id);

		if (plan != NULL)
			jo_plan_give_up(member, plan, "the entry has failed");
		return tasks;
	}
	task = jo_task_create(batch, member, NULL, graph);
	task->resume = plan_resume;
	task->fail = plan_fail;
	return lappend(tasks, task);
}

/* The graph of the journey as it stands after the act, if a date enters it. */
static const JoGraph *
graph_after(int32 journey_id, const JoAct *act)
{
	JoGraph    *graph = act == NULL ? NULL : jo_graph(journey_id,
													  act->version);

	return graph != NULL && graph->entry.kind == JO_ENTRY_DATE ? graph : NULL;
}

/* Look at every date that is due, once all runs have had that instant. */
static List *
add_due(JoBatch *batch, JoMember *member, List *tasks)
{
	TimestampTz runs_due = jo_due_next_of_runs(member);
	ListCell   *cell;

	if (runs_due != JO_NO_TIME && runs_due <= member->due)
		return tasks;
	foreach(cell, member->plans)
	{
		JoPlan	   *plan = lfirst(cell);
		const JoGraph *graph;
		int64		ticket;

		if (!is_due(member, plan))
			continue;
		graph = graph_after(plan->journey_id,
							find_act(batch, member, plan, &ticket));
		if (graph != NULL)
			tasks = add_task(batch, member, graph, tasks);
		else
			lay_down(plan);
	}
	return tasks;
}

/*
 * The graph by which a "$plan" is done: as the batch knows the journey, however
 * old the event is, because the row is as young.  A journey that was stopped
 * only after the event still has the entries in between.
 */
static const JoGraph *
graph_for(const JoMember *member, const JoGraph *newest)
{
	int			n;
	const JoAct *acts = jo_acts(newest->journey_id, &n);
	const JoAct *act;

	if (n > 0 && !acts[n - 1].is_stopped)
		return newest;
	act = jo_act_before(newest->journey_id, member->event->act_seq);
	if (act == NULL || act->is_stopped)
		return NULL;
	return graph_after(newest->journey_id, act);
}

/* Look at all dates of the member, or at the one that the event is about. */
static List *
add_all(JoBatch *batch, JoMember *member, List *tasks)
{
	int32		wanted = jo_json_int(member->event->payload, "journey_id", 0);
	int64		seq = batch->act_limit == PG_INT64_MAX ? PG_INT64_MAX :
	batch->act_limit + 1;
	ListCell   *cell;

	foreach(cell, jo_graphs_entered_by_date(seq))
	{
		const JoGraph *newest = lfirst(cell);
		const JoGraph *graph;

		if (wanted != 0 && newest->journey_id != wanted)
			continue;
		graph = graph_for(member, newest);
		if (graph != NULL)
			tasks = add_task(batch, member, graph, tasks);
		else
			lay_down(find_plan(member, newest->journey_id));
	}
	return tasks;
}

/* Add the tasks of the member's input: "$plan", or a timer. */
List *
jo_plan_tasks(JoBatch *batch, JoMember *member, List *tasks)
{
	if (member->event != NULL)
		return add_all(batch, member, tasks);
	if (member->due != JO_NO_TIME)
		return add_due(batch, member, tasks);
	return tasks;
}
