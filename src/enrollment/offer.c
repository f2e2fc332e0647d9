/*
 * enrollment/offer.c
 *	  Offers one input (an event, or a timer that is due) to one live run.
 *
 * In this order: the goal, the exit rules, the step that waits.  What ends the
 * run ends the offer; a goal that does not end it lets the rest go on.  The
 * first branch of a wait that matches wins, in array order.
 *
 * Routing: an event named in entry.on goes only to runs with an equal key; any
 * other event goes to all runs of the customer unless match_key is given; "of"
 * limits a message.* event to the run whose message it reports.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "enrollment/batch.h"
#include "enrollment/json.h"

/* What a candidate does when it matches. */
typedef enum CandidateKind
{
	CANDIDATE_GOAL,
	CANDIDATE_EXIT,
	CANDIDATE_BRANCH
} CandidateKind;

typedef struct Candidate
{
	CandidateKind kind;
	const JoMatch *match;
	const char *reason;			/* of an exit rule */
} Candidate;

/* What the next answer is. */
typedef enum OfferStage
{
	OFFER_START,
	OFFER_ROUTE,				/* entry.key over the event */
	OFFER_NEXT,
	OFFER_KEY,					/* match_key */
	OFFER_WHEN,
	OFFER_VALUE,				/* of a goal */
	OFFER_CURRENCY
} OfferStage;

typedef struct Offer
{
	List	   *candidates;		/* of Candidate * */
	int			current;
	bool		has_value;
	Datum		value;
	/* the run's own, put back when the offer moves it nowhere */
	Jsonb	   *event;
	char	   *event_name;
	int64		event_id;
} Offer;

/* Does a report belong to the message that step "of" of this run sent? */
static bool
reports_on(const JoEvent *event, const JoRun *run, int of)
{
	char	   *step = jo_json_string(event->payload, "step");
	pg_uuid_t	enrollment_id;

	return step != NULL &&
		jo_json_uuid(event->payload, "enrollment_id", &enrollment_id) &&
		memcmp(&enrollment_id, &run->id, sizeof(pg_uuid_t)) == 0 &&
		jo_streq(step, run->graph->steps[of].name);
}

/* Could this match apply to the input, looking at names only? */
static bool
is_candidate(const JoMatch *match, const JoRun *run)
{
	const JoEvent *event = run->member->event;

	if (match->on == NULL)
		return true;
	if (event == NULL || !jo_streq(match->on, event->name))
		return false;
	return match->of == JO_NO_STEP || reports_on(event, run, match->of);
}

static void
add_candidate(Offer *offer, CandidateKind kind, const JoMatch *match,
			  const char *reason)
{
	Candidate  *candidate = palloc(sizeof(Candidate));

	candidate->kind = kind;
	candidate->match = match;
	candidate->reason = reason;
	offer->candidates = lappend(offer->candidates, candidate);
}

static bool
goal_is_open(const JoRun *run)
{
	const JoGoal *goal = &run->graph->goal;

	if (!goal->has_within)
		return true;
	return run->member->now <= jo_duration_add(run->entered_at, &goal->within,
											   jo_run_timezone(run));
}

static void
collect_candidates(Offer *offer, JoRun *run)
{
	const JoGraph *graph = run->graph;
	const JoStep *step = &graph->steps[run->step];

	if (graph->has_goal && run->member->event != NULL &&
		is_candidate(&graph->goal.match, run) && goal_is_open(run))
		add_candidate(offer, CANDIDATE_GOAL, &graph->goal.match, "goal");
	for (int i = 0; i < graph->nexits; i++)
		if (is_candidate(&graph->exits[i], run))
			add_candidate(offer, CANDIDATE_EXIT, &graph->exits[i],
						  graph->exit_reasons[i]);
	if (run->state != JO_ENROLLMENT_WAITING || run->member->event == NULL ||
		step->verb != JO_WAIT)
		return;
	for (int i = 0; i < step->u.wait.nbranches; i++)
		if (is_candidate(&step->u.wait.branches[i], run))
			add_candidate(offer, CANDIDATE_BRANCH, &step->u.wait.branches[i],
						  NULL);
}

/* Does the step's time start again when this event recurs? */
static bool
is_restarted(const JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];
	const char *event = run->member->event->name;

	if (step->verb == JO_DELAY && run->state == JO_ENROLLMENT_DELAYED)
		return step->u.delay.restart_on != NULL &&
			jo_streq(step->u.delay.restart_on, event);
	if (step->verb == JO_WAIT && run->state == JO_ENROLLMENT_WAITING)
		return step->u.wait.has_timeout && step->u.wait.restart_on != NULL &&
			jo_streq(step->u.wait.restart_on, event);
	return false;
}

/* The timer of a run has fired and no exit rule has taken it. */
static void
fire_timer(JoBatch *batch, JoRun *run)
{
	JoVisit    *visit = &run->visit_state;
	const JoStep *step = &run->graph->steps[run->step];

	if (run->state == JO_ENROLLMENT_HELD)
	{
		jo_run_release(batch, run);
		return;
	}
	memset(visit, 0, sizeof(JoVisit));
	visit->graph = run->graph;
	visit->step = step;
	visit->now = run->member->now;
	if (step->verb == JO_CALL)
	{
		jo_run_try_again(run);
		return;
	}
	if (step->verb == JO_DELAY)
		jo_step_delay_due(visit);
	else if (step->verb == JO_ENTER)
		jo_step_enter_due(visit);
	else if (step->verb == JO_APPROVE)
		jo_step_approve_due(visit);
	else if (step->verb == JO_WAIT)
		jo_step_wait_due(visit);
	else
		elog(ERROR, "step \"%s\" has no timer", step->name);
	jo_run_move(batch, run, visit->next, visit->reason);
}

/* Nothing has taken the run: let its timer fire, or put it back as it was. */
static void
finish_offer(JoBatch *batch, JoTask *task)
{
	Offer	   *offer = task->state;
	JoRun	   *run = task->run;

	if (run->member->event == NULL)
	{
		if (run->state != JO_ENROLLMENT_PARKED)
			fire_timer(batch, run);
		return;
	}
	if (is_restarted(run))
	{
		/* What it computes may depend on the event, which is the run's now. */
		jo_run_restart(batch, run);
		return;
	}
	run->event = offer->event;
	run->event_name = offer->event_name;
	run->event_id = offer->event_id;
}

/* The current candidate matches: do what it says.  True: the offer is over. */
static bool
take_candidate(JoBatch *batch, JoTask *task)
{
	Offer	   *offer = task->state;
	Candidate  *candidate = list_nth(offer->candidates, offer->current);
	JoRun	   *run = task->run;
	char	   *currency = NULL;

	switch (candidate->kind)
	{
		case CANDIDATE_GOAL:
			if (task->stage == OFFER_CURRENCY && !task->isnull)
				currency = TextDatumGetCString(task->value);
			jo_run_convert(batch, run, candidate->reason, offer->has_value,
						   offer->value, currency);
			if (!run->graph->goal.ends)
				return false;
			jo_run_end(batch, run, candidate->reason, true);
			return true;
		case CANDIDATE_EXIT:
			jo_run_end(batch, run, candidate->reason, true);
			return true;
		case CANDIDATE_BRANCH:
			jo_run_move(batch, run, candidate->match->next,
						run->member->event->name);
			return true;
	}
	return true;
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

/* Step to the next candidate; true when there is none. */
static bool
next_candidate(Offer *offer)
{
	offer->current++;
	return offer->current >= list_length(offer->candidates);
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
	Candidate  *candidate = list_nth(offer->candidates, offer->current);
	const JoMatch *match = candidate->match;
	const JoGoal *goal = &task->run->graph->goal;

	if (task->stage < OFFER_KEY && match->match_key != NULL)
		return ask(batch, task, OFFER_KEY, match->match_key);
	if (task->stage < OFFER_WHEN && match->when != NULL)
		return ask(batch, task, OFFER_WHEN, match->when);
	if (candidate->kind != CANDIDATE_GOAL)
		return true;
	if (task->stage < OFFER_VALUE && goal->value != NULL)
		return ask(batch, task, OFFER_VALUE, goal->value);
	if (task->stage < OFFER_CURRENCY && goal->currency != NULL)
		return ask(batch, task, OFFER_CURRENCY, goal->currency);
	return true;
}

/* Begin: tell the run what caused this, and see whether the event is its. */
static bool
start_offer(JoBatch *batch, JoTask *task)
{
	Offer	   *offer = palloc0(sizeof(Offer));
	JoRun	   *run = task->run;
	JoEvent    *event = run->member->event;
	const JoEntry *entry = &run->graph->entry;

	task->state = offer;
	offer->event = run->event;
	offer->event_name = run->event_name;
	offer->event_id = run->event_id;
	run->event = event != NULL ? event->payload : NULL;
	run->event_name = event != NULL ? event->name : NULL;
	run->event_id = event != NULL ? event->seq : 0;
	collect_candidates(offer, run);

	if (event != NULL && entry->on != NULL && entry->key != NULL &&
		jo_streq(entry->on, event->name))
		return ask(batch, task, OFFER_ROUTE, entry->key);
	task->stage = OFFER_NEXT;
	return true;
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
		if (offer->candidates == NIL)
		{
			finish_offer(batch, task);
			return true;
		}
	}
	else
	{
		offer = task->state;
		if (!accept_answer(task))
		{
			if (task->stage == OFFER_ROUTE)
			{
				/* not this run's event: not even a restart */
				task->run->event = offer->event;
				task->run->event_name = offer->event_name;
				task->run->event_id = offer->event_id;
				return true;
			}
			if (next_candidate(offer))
			{
				finish_offer(batch, task);
				return true;
			}
			task->stage = OFFER_NEXT;
		}
		else if (task->stage == OFFER_ROUTE)
		{
			task->stage = OFFER_NEXT;
			if (offer->candidates == NIL)
			{
				finish_offer(batch, task);
				return true;
			}
		}
	}

	for (;;)
	{
		if (!question_candidate(batch, task))
			return false;
		if (take_candidate(batch, task))
			return true;
		if (next_candidate(offer))
		{
			finish_offer(batch, task);
			return true;
		}
		task->stage = OFFER_NEXT;
	}
}

/* An expression of the goal, an exit rule or a wait raised. */
static void
offer_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
	Offer	   *offer = task->state;
	const char *sql = jo_expression_sql(task->expression);
	Candidate  *candidate = NULL;

	if (task->stage != OFFER_ROUTE)
		candidate = list_nth(offer->candidates, offer->current);

	/* a goal or an exit rule is not the step's */
	if (candidate != NULL && candidate->kind == CANDIDATE_BRANCH)
		jo_run_fail(batch, task->run, error, sql);
	else
		jo_run_park(batch, task->run, error, sql);
}

/*
 * Is there nothing that the event could do to the run, looking at names only?
 * So it is for most events and most runs, and a customer may have thousands of
 * both.
 */
static bool
is_indifferent(const JoRun *run)
{
	const JoGraph *graph = run->graph;
	const JoStep *step = &graph->steps[run->step];

	if (run->member->event == NULL || is_restarted(run))
		return false;
	if (graph->has_goal && is_candidate(&graph->goal.match, run))
		return false;
	for (int i = 0; i < graph->nexits; i++)
		if (is_candidate(&graph->exits[i], run))
			return false;
	if (run->state != JO_ENROLLMENT_WAITING || step->verb != JO_WAIT)
		return true;
	for (int i = 0; i < step->u.wait.nbranches; i++)
		if (is_candidate(&step->u.wait.branches[i], run))
			return false;
	return true;
}

/*
 * A task that offers its member's input to "run", or NULL when the run is
 * indifferent to it.
 */
JoTask *
jo_offer_task(JoBatch *batch, JoRun *run)
{
	JoTask	   *task;

	if (is_indifferent(run))
		return NULL;
	task = palloc0(sizeof(JoTask));
	task->resume = offer_resume;
	task->fail = offer_fail;
	task->member = run->member;
	task->run = run;
	task->graph = run->graph;
	task->stage = OFFER_START;
	return task;
}
