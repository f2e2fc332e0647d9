/*
 * enrollment/offer.c
 *	  Offers one input (an event, or a timer that is due) to one run.
 *
 * In this order: the goal, the exit rules, the step that waits.  What ends the
 * run ends the offer; a goal that does not end it lets the rest go on.  The
 * first branch of a wait that matches wins, in array order.  A run that has
 * ended is asked for its goal alone.  Which runs are offered an event at all,
 * and what is known of its keys, is route.c's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/kept.h"
#include "enrollment/message.h"
#include "enrollment/offer.h"

/* What the next answer is. */
typedef enum OfferStage
{
	OFFER_START,
	OFFER_ROUTE,				/* entry.key, where route.c could not tell */
	OFFER_NEXT,
	OFFER_KEY,					/* match_key, the same */
	OFFER_WHEN,
	OFFER_VALUE,				/* of a goal */
	OFFER_CURRENCY
} OfferStage;

typedef struct Offer
{
	List	   *candidates;		/* of JoCandidate * */
	int			current;
	bool		has_value;
	Datum		value;
	/* the run's own, put back when the offer moves it nowhere */
	Jsonb	   *event;
	char	   *event_name;
	int64		event_id;
	bool		is_spent;
} Offer;

List *
jo_offer_add(List *candidates, JoCandidateKind kind, const JoMatch *match,
			 const char *reason, int index)
{
	JoCandidate *candidate = palloc(sizeof(JoCandidate));

	candidate->kind = kind;
	candidate->match = match;
	candidate->reason = reason;
	candidate->index = index;
	return lappend(candidates, candidate);
}

/*
 * Is the event in time for the goal?  What counts is when it happened, not
 * when the lane came to it.
 */
static bool
goal_is_open(const JoRun *run)
{
	const JoGoal *goal = &run->graph->goal;

	if (!goal->has_within)
		return true;
	return run->member->event->instant <=
		jo_duration_add(run->entered_at, &goal->within, jo_run_timezone(run));
}

static List *
collect_candidates(const JoRun *run)
{
	const JoGraph *graph = run->graph;
	List	   *candidates = NIL;

	if (graph->has_goal && run->member->event != NULL &&
		jo_route_matches(&graph->goal.match, run) && goal_is_open(run))
		candidates = jo_offer_add(candidates, JO_CANDIDATE_GOAL,
								  &graph->goal.match, "goal", 0);
	if (run->state == JO_ENROLLMENT_ENDED)
		return candidates;
	for (int i = 0; i < graph->nexits; i++)
		if (jo_route_matches(&graph->exits[i], run))
			candidates = jo_offer_add(candidates, JO_CANDIDATE_EXIT,
									  &graph->exits[i],
									  graph->exit_reasons[i], i);
	if (run->member->event != NULL)
		candidates = jo_offer_step(run, candidates);
	return candidates;
}

/* The event has moved the run nowhere: give it back the cause it stands by. */
static void
put_back_cause(JoTask *task)
{
	const Offer *offer = task->state;

	task->run->event = offer->event;
	task->run->event_name = offer->event_name;
	task->run->event_id = offer->event_id;
	task->run->is_spent = offer->is_spent;
}

/* The timer of a run has fired and no exit rule has taken it. */
static void
fire_timer(JoBatch *batch, JoTask *task)
{
	JoRun	   *run = task->run;
	JoVisit    *visit;

	if (run->state == JO_ENROLLMENT_HELD ||
		run->graph->steps[run->step].verb == JO_CALL)
	{
		/* it arrived by an event, and still stands by it */
		if (run->state == JO_ENROLLMENT_HELD)
			jo_run_release(batch, run);
		else
			jo_run_try_again(batch, run);
		return;
	}
	jo_run_forget_cause(run);
	visit = jo_visit_begin(run);
	switch (visit->step->verb)
	{
		case JO_ENTER:
			jo_step_enter_due(visit);
			break;
		case JO_APPROVE:
			jo_step_approve_due(visit);
			break;
		case JO_DELAY:
			jo_step_delay_due(visit);
			break;
		case JO_WAIT:
			jo_step_wait_due(visit);
			break;
		case JO_DIGEST:
			jo_step_digest_due(visit);
			break;
		default:
			elog(ERROR, "step \"%s\" has no timer", visit->step->name);
	}
	jo_run_leave(batch, run);
}

/* Nothing has taken the run: let its timer fire, or put it back as it was. */
static void
finish_offer(JoBatch *batch, JoTask *task)
{
	if (task->member->event != NULL)
		put_back_cause(task);
	else if (task->run->state != JO_ENROLLMENT_PARKED)
		fire_timer(batch, task);
}

/*
 * The goal is met and ends the run; one that ended before, at a step say, has
 * now done what it was for.
 */
static void
end_by_goal(JoBatch *batch, JoRun *run, const char *reason)
{
	if (run->state == JO_ENROLLMENT_ENDED)
		jo_run_withdraw(batch, run, reason);
	else
		jo_run_end(batch, run, reason, true);
	jo_run_close(run);
}

/* The current candidate matches: do what it says.  True: the offer is over. */
static bool
take_candidate(JoBatch *batch, JoTask *task)
{
	Offer	   *offer = task->state;
	JoCandidate *candidate = list_nth(offer->candidates, offer->current);
	JoRun	   *run = task->run;
	char	   *currency = NULL;
	JoStepAnswer answer;

	switch (candidate->kind)
	{
		case JO_CANDIDATE_GOAL:
			if (task->stage == OFFER_CURRENCY && !task->isnull)
				currency = TextDatumGetCString(task->value);
			jo_run_convert(batch, run, candidate->reason, offer->has_value,
						   offer->value, currency);
			if (!run->graph->goal.ends)
			{
				jo_kept_leave(batch, run);
				return false;
			}
			end_by_goal(batch, run, candidate->reason);
			return true;
		case JO_CANDIDATE_EXIT:
			jo_run_end(batch, run, candidate->reason, true);
			return true;
		default:
			answer = jo_offer_step_takes(batch, run, candidate);
			if (answer == JO_STEP_STAYED)
				put_back_cause(task);
			return answer != JO_STEP_GOES_ON;
	}
}

static bool
ask(JoBatch *batch, JoTask *task, int stage, JoExpression *expression)
{
	task->stage = stage;
	task->request = JO_REQUEST_VALUE;
	task->expression = expression;
	task->variables = jo_run_variables(batch, task->run,
									   jo_expression_uses(expression));
	return false;
}

static bool
answer_is_true(const JoTask *task)
{
	return !task->isnull && DatumGetBool(task->value);
}

static bool
answer_equals_key(const JoTask *task)
{
	return jo_key_equals(task->isnull ? NULL : TextDatumGetCString(task->value),
						 task->run->key);
}

/*
 * Take the answer to the last question.  Returns false when the candidate (or,
 * while routing, the run) is out.
 */
static bool
accept_answer(JoTask *task)
{
	Offer	   *offer = task->state;

	switch ((OfferStage) task->stage)
	{
		case OFFER_ROUTE:
		case OFFER_KEY:
			return answer_equals_key(task);
		case OFFER_WHEN:
			return answer_is_true(task);
		case OFFER_VALUE:
			offer->has_value = !task->isnull;
			offer->value = task->value;
			return true;
		default:
			return true;
	}
}

/*
 * The next question about the current candidate, in the order match_key, when,
 * and for a goal value, currency.  False: a question was asked.  True: none is
 * left, so the candidate matches.
 */
static bool
question_candidate(JoBatch *batch, JoTask *task)
{
	Offer	   *offer = task->state;
	JoCandidate *candidate = list_nth(offer->candidates, offer->current);
	const JoMatch *match = candidate->match;
	const JoGoal *goal = &task->run->graph->goal;

	if (task->stage < OFFER_KEY && match->match_key != NULL &&
		!jo_route_knows_key(task->member, match->match_key))
		return ask(batch, task, OFFER_KEY, match->match_key);
	if (task->stage < OFFER_WHEN && match->when != NULL)
		return ask(batch, task, OFFER_WHEN, match->when);
	if (candidate->kind != JO_CANDIDATE_GOAL)
		return true;
	if (task->stage < OFFER_VALUE && goal->value != NULL)
		return ask(batch, task, OFFER_VALUE, goal->value);
	if (task->stage < OFFER_CURRENCY && goal->currency != NULL)
		return ask(batch, task, OFFER_CURRENCY, goal->currency);
	return true;
}

/*
 * Begin: tell the run what caused this, and see whether the event is its.  At a
 * timer it still stands by what brought it to its step.
 */
static bool
start_offer(JoBatch *batch, JoTask *task)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->round);
	Offer	   *offer = palloc0(sizeof(Offer));
	JoRun	   *run = task->run;
	JoEvent    *event = run->member->event;
	const JoEntry *entry = &run->graph->entry;

	task->state = offer;
	offer->event = run->event;
	offer->event_name = run->event_name;
	offer->event_id = run->event_id;
	offer->is_spent = run->is_spent;
	run->event_id = 0;
	if (event != NULL)
		jo_run_give_cause(run, event);
	offer->candidates = collect_candidates(run);
	MemoryContextSwitchTo(caller);

	if (event != NULL && entry->on != NULL && entry->key != NULL &&
		jo_streq(entry->on, event->name) &&
		!jo_route_knows_key(run->member, entry->key))
		return ask(batch, task, OFFER_ROUTE, entry->key);
	task->stage = OFFER_NEXT;
	return true;
}

/* In a ranked wait: has a branch before this one happened by the same event? */
static bool
is_outrun(const JoTask *task)
{
	const Offer *offer = task->state;
	const JoCandidate *candidate = list_nth(offer->candidates, offer->current);
	int			happened;

	if (candidate->kind != JO_CANDIDATE_BRANCH)
		return false;
	happened = jo_progress_happened(task->run);
	return happened >= 0 && candidate->index > happened;
}

static bool
offer_resume(JoBatch *batch, JoTask *task)
{
	Offer	   *offer;

	if (task->stage == OFFER_START)
	{
		if (!start_offer(batch, task))
			return false;
		offer = task->state;
	}
	else
	{
		bool		is_routing = task->stage == OFFER_ROUTE;
		bool		goes_on = accept_answer(task);

		offer = task->state;
		if (is_routing && !goes_on)
		{
			/* not this run's event: not even a restart */
			put_back_cause(task);
			return true;
		}
		if (!goes_on)
			offer->current++;
		if (is_routing || !goes_on)
			task->stage = OFFER_NEXT;
	}

	while (offer->current < list_length(offer->candidates))
	{
		if (is_outrun(task))
		{
			offer->current++;
			continue;
		}
		if (!question_candidate(batch, task))
			return false;
		if (take_candidate(batch, task))
			return true;
		offer->current++;
		task->stage = OFFER_NEXT;
	}
	finish_offer(batch, task);
	return true;
}

/* An expression of the goal, an exit rule or a wait raised. */
static void
offer_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
	Offer	   *offer = task->state;
	const char *sql = jo_expression_sql(task->expression);
	JoCandidate *candidate = NULL;

	if (task->stage != OFFER_ROUTE)
		candidate = list_nth(offer->candidates, offer->current);

	/* a goal or an exit rule is not the step's */
	if (candidate != NULL && candidate->kind >= JO_CANDIDATE_BRANCH)
		jo_run_fail(batch, task->run, error, sql);
	else
		jo_run_park(batch, task->run, error, sql);
}

/* A task that offers its member's input to "run". */
JoTask *
jo_offer_task(JoBatch *batch, JoRun *run)
{
	JoTask	   *task = jo_task_create(batch, run->member, run, run->graph);

	task->resume = offer_resume;
	task->fail = offer_fail;
	task->stage = OFFER_START;
	return task;
}
