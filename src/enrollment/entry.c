/*
 * enrollment/entry.c
 *	  Tries the entry rule of one journey on one event.
 *
 * Runs after the event was offered to the customer's live runs and those have
 * come to rest, so that an event that ends one run may start the next.  A
 * refusal by policy (re-entry, cool-down, absent customer) is logged; a
 * refusal by "when" is not.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "core/identity.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"
#include "enrollment/life.h"
#include "experiment/holdout.h"

/* What the next answer is. */
typedef enum EntryStage
{
	ENTRY_START,
	ENTRY_DECIDED,				/* by whoever sent the event: nothing is asked */
	ENTRY_WHEN,
	ENTRY_KEY
} EntryStage;

/*
 * Is the customer still cooling down?  Counted from the last entry or end,
 * whichever is later, of any run of the journey (or, with scope "key", of runs
 * with this key).
 */
static bool
is_cooling_down(JoMember *member, const JoGraph *graph, const char *key)
{
	const JoEntry *entry = &graph->entry;
	JoDuration	cooldown = {.interval = entry->cooldown};
	const JoMemory *memory;
	TimestampTz last;

	if (!entry->has_cooldown)
		return false;
	if (entry->cooldown_by_key)
	{
		memory = jo_memory_find(member, graph->journey_id, key);
		last = memory == NULL ? JO_NO_TIME :
			Max(memory->last_entered, memory->last_ended);
	}
	else
		last = jo_memory_latest(member, graph->journey_id);
	if (last == JO_NO_TIME)
		return false;
	return member->now < jo_duration_add(last, &cooldown,
										 member->profile.timezone ?
										 member->profile.timezone :
										 graph->timezone);
}

/*
 * Why the journey takes no newcomers, as the event meets it, or NULL.  One that
 * is published for existing customers takes those.
 */
static const char *
find_act_refusal(const JoMember *member, const JoGraph *graph)
{
	const JoAct *act = jo_act_met(graph->journey_id, member->event);
	const char *refusal = jo_act_refusal(act);

	if (refusal != NULL && jo_streq(refusal, "closed") &&
		(member->event->kind == JO_EVENT_KIND_COMMAND ||
		 jo_act_missed(act, member->event)))
		return NULL;
	return refusal;
}

/*
 * The rule of re-entry, or the cap, that refuses, or NULL.  "has_key": runs are
 * told apart by a key, so that there is one for each.
 */
static const char *
find_refusal(JoBatch *batch, JoMember *member, const JoGraph *graph,
			 const char *key, bool has_key)
{
	const JoEntry *entry = &graph->entry;
	bool		one_at_a_time;

	if (entry->reentry == JO_REENTRY_NEVER &&
		jo_memory_find(member, graph->journey_id, key) != NULL)
		return "reentry_never";
	one_at_a_time = entry->reentry != JO_REENTRY_ANY || has_key;
	if (one_at_a_time && jo_memory_has_active(member, graph->journey_id, key))
		return "reentry_active";
	if (is_cooling_down(member, graph, key))
		return "cooldown";
	return jo_cap_refusal(batch, member, graph);
}

static bool
is_in_holdout(const JoGraph *graph, const char *customer_id)
{
	char	   *experiment;

	if (graph->entry.holdout <= 0)
		return false;
	experiment = psprintf("%s/$holdout", graph->name);
	return jo_bucket(experiment, "", customer_id) <
		graph->entry.holdout * 10000;
}

/* The journey's own holdout comes first: it has no exempt topics. */
static void
hold_out(JoRun *run, const JoEvent *event)
{
	const char *customer_id = run->member->customer_id;

	run->is_holdout = is_in_holdout(run->graph, customer_id);
	run->is_global_holdout = !run->is_holdout &&
		jo_in_global_holdout(customer_id, event->act_seq);
	run->is_holdout |= run->is_global_holdout;
}

/*
 * The place of a run that begins now among those that begin at this instant
 * (member.c): its event's ticket.  What a run, an act or a date causes has a
 * ticket that was drawn later than those of events which come after it, so it
 * takes the place of what was there before.
 */
static int64
order_of_entry(const JoMember *member)
{
	const JoRun *last = member->runs != NIL ? llast(member->runs) : NULL;

	if (!jo_event_is_applied(member->event->kind))
		return member->event->seq;
	if (last != NULL && last->entered_at == member->now)
		return Max(last->entry_order, member->newest_ticket);
	return member->newest_ticket;
}

/*
 * Start a run of the member because of his event.  "context": what it begins
 * with; NULL: nothing.
 */
JoRun *
jo_entry_start(JoBatch *batch, JoMember *member, const JoGraph *graph,
			   char *key, Jsonb *entry_event, Jsonb *context)
{
	JoEvent    *event = member->event;
	JoRun	   *run = palloc0(sizeof(JoRun));

	jo_enrollment_id(&run->id, graph->journey_id, event->identity);
	run->member = member;
	run->graph = unconstify(JoGraph *, graph);
	run->journey_id = graph->journey_id;
	run->version = graph->version;
	run->key = key;
	run->key_hash = jo_key_hash(key);
	run->entered_at = member->now;
	run->due_at = JO_NO_TIME;
	run->hint_at = JO_NO_TIME;
	run->entry_event_id = event->seq;
	run->entry_order = order_of_entry(member);
	run->acted = jo_act_met_at_entry(graph->journey_id, event);
	run->entry_name = event->name;
	run->entry_event = entry_event;
	run->event_id = event->seq;
	run->context = context != NULL ? context : jo_jsonb_empty();
	hold_out(run, event);
	run->was_absent = batch->has_binding && !member->profile.exists;
	jo_member_enter_run(member, run);
	jo_run_bind_acts(run);
	jo_run_enter(batch, run);
	run->last_log->context = context;
	return run;
}

/* Why nobody can enter at all, whatever the event says, or NULL. */
static const char *
find_obstacle(const JoBatch *batch, const JoMember *member,
			  const JoGraph *graph, const JoError **error)
{
	*error = graph->error;
	if (*error != NULL)
		return "journey_error";
	*error = member->profile.error;
	if (*error != NULL)
		return "customer_error";
	if (batch->has_binding && !member->profile.exists &&
		!graph->enters_without_customer)
		return "customer_absent";
	return NULL;
}

/*
 * The rule that refuses an entry by command, or NULL; *error is set where one
 * stands behind it.
 */
const char *
jo_entry_refusal(JoBatch *batch, JoMember *member, const JoGraph *graph,
				 const char *key, bool has_key, const JoError **error)
{
	const char *rule = find_obstacle(batch, member, graph, error);

	if (rule != NULL)
		return rule;
	return find_refusal(batch, member, graph, key,
						has_key || graph->entry.key != NULL);
}

static bool
ask(JoBatch *batch, JoTask *task, int stage, JoExpression *expression)
{
	task->stage = stage;
	task->request = JO_REQUEST_VALUE;
	task->expression = expression;
	task->variables = jo_event_variables(batch, task->member, task->graph,
										 jo_expression_uses(expression));
	return false;
}

static bool
entry_resume(JoBatch *batch, JoTask *task)
{
	const JoGraph *graph = task->graph;
	JoMember   *member = task->member;
	char	   *key = NULL;
	const char *refusal;

	if (task->stage <= ENTRY_DECIDED)
	{
		const JoError *error;

		refusal = find_obstacle(batch, member, graph, &error);
		if (refusal != NULL)
		{
			jo_log_refusal(batch, member, graph, NULL, refusal, error);
			return true;
		}
		if (task->stage == ENTRY_START && graph->entry.when != NULL)
			return ask(batch, task, ENTRY_WHEN, graph->entry.when);
	}
	if (task->stage == ENTRY_WHEN &&
		(task->isnull || !DatumGetBool(task->value)))
		return true;
	if (task->stage < ENTRY_KEY && task->stage != ENTRY_DECIDED &&
		graph->entry.key != NULL)
		return ask(batch, task, ENTRY_KEY, graph->entry.key);
	if (task->stage == ENTRY_KEY && !task->isnull)
		key = TextDatumGetCString(task->value);

	refusal = find_act_refusal(member, graph);
	if (refusal == NULL)
		refusal = find_refusal(batch, member, graph, key,
							   graph->entry.key != NULL);
	if (refusal != NULL)
		jo_log_refusal(batch, member, graph, key, refusal, NULL);
	else
		jo_entry_start(batch, member, graph, key, member->event->payload, NULL);
	return true;
}

/* entry.when or entry.key raised: nobody enters, and the log says why. */
static void
entry_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
	jo_log_refusal(batch, task->member, task->graph, NULL, "entry_error",
				   error);
}

/*
 * Commands "$existing" and "$date": from here on the member's event is the one
 * that it names (of the past, of many customers, or a date), under the command's
 * ticket and instant.  Returns the graph to enter, or NULL.
 */
const JoGraph *
jo_entry_existing(JoMember *member)
{
	const JoEvent *command = member->event;
	Jsonb	   *payload = jo_json_object(command->payload, "event");
	JoGraph    *graph = jo_graph(jo_json_int(command->payload, "journey_id", 0),
								 jo_json_int(command->payload, "version", 0));
	char	   *name = jo_json_string(command->payload, "name");
	JoEvent    *event;

	if (graph != NULL && name == NULL)
		name = graph->entry.on;
	if (graph == NULL || name == NULL)
		return NULL;
	event = palloc(sizeof(JoEvent));
	*event = *command;
	event->name = name;
	event->payload = payload != NULL ? payload : jo_jsonb_empty();
	member->event = event;
	return graph;
}

/* The same where somebody has decided: "when" and "key" are not asked. */
JoTask *
jo_entry_decided_task(JoBatch *batch, JoMember *member, const JoGraph *graph)
{
	JoTask	   *task = jo_entry_task(batch, member, graph);

	task->stage = ENTRY_DECIDED;
	return task;
}

/* A task that tries journey "graph" on its member's event. */
JoTask *
jo_entry_task(JoBatch *batch, JoMember *member, const JoGraph *graph)
{
	JoTask	   *task = jo_task_create(batch, member, NULL, graph);

	task->resume = entry_resume;
	task->fail = entry_fail;
	task->stage = ENTRY_START;
	return task;
}
