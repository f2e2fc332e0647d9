/*
 * enrollment/call.c
 *	  Executes the calls that runs ask for.
 *
 * They are executed in the order in which the runs asked, inside the batch's
 * transaction: what an author's function writes commits with the move of its
 * run, or not at all.  Events that its writes cause are captured as usual, at
 * the instant of the run, and are read by a later batch; the batch says that
 * there is more.  Under a virtual clock no timer of the customer may overtake
 * them, so his timers rest until then.
 *
 * A call never waits long for a lock: the batch holds a lane.  After a few that
 * waited in vain the rest of the batch hardly waits at all.
 */
#include "postgres.h"

#include "utils/errcodes.h"

#include "enrollment/careful.h"
#include "enrollment/cause.h"
#include "enrollment/read.h"

/* How long a call waits for a lock, and how often a batch does so in vain. */
#define LOCK_TIMEOUT_MS 100
#define LOCK_TIMEOUTS 5

/* The calls of one expression. */
typedef struct Calls
{
	JoBatch    *batch;
	JoTask	  **tasks;
	JoEventCause cause;
} Calls;

/* Tell the capture who is about to write. */
static void
before_call(int row, void *arg)
{
	Calls	   *calls = arg;
	JoMember   *member = calls->tasks[row]->member;

	calls->cause.instant = member->now;
	calls->cause.depth = jo_cause_depth(member);
	jo_care_blame(calls->batch, calls->tasks[row]->run, NULL);
}

static int
lock_timeout(void *arg)
{
	Calls	   *calls = arg;

	return calls->batch->lock_timeouts < LOCK_TIMEOUTS ? LOCK_TIMEOUT_MS : 1;
}

/* Is it no fault of the call, so that it should be tried again? */
bool
jo_call_is_blocked(const JoError *error)
{
	return strcmp(error->sqlstate, "55P03") == 0 ||
		strcmp(error->sqlstate, "40P01") == 0 ||
		strcmp(error->sqlstate, "40001") == 0;
}

/* Execute n calls of one expression. */
static void
execute(JoBatch *batch, JoTask **tasks, int n)
{
	Calls		calls = {batch, tasks};
	JoCallOptions options = {before_call, lock_timeout, &calls};
	const JoVariables **rows = palloc(n * sizeof(JoVariables *));
	Datum	   *values = palloc0(n * sizeof(Datum));
	bool	   *isnull = palloc0(n * sizeof(bool));
	JoError   **errors = palloc0(n * sizeof(JoError *));

	for (int i = 0; i < n; i++)
		rows[i] = tasks[i]->variables;
	PG_TRY();
	{
		jo_event_cause = &calls.cause;
		jo_expression_call(tasks[0]->expression, n, rows, &options, values,
						   isnull, errors);
	}
	PG_FINALLY();
	{
		jo_event_cause = NULL;
	}
	PG_END_TRY();
	for (int i = 0; i < n; i++)
	{
		tasks[i]->value = values[i];
		tasks[i]->isnull = isnull[i];
		tasks[i]->error = errors[i];
		if (errors[i] != NULL && strcmp(errors[i]->sqlstate, "55P03") == 0)
			batch->lock_timeouts++;
	}
}

/*
 * Where nothing may happen the definition says what comes of it, and the log
 * that nothing has happened.
 */
static void
simulate(JoBatch *batch, JoTask *task)
{
	const JoStep *step = task->run->visit_state.step;
	JoLogRow   *row = jo_log(batch, task->run, "called");

	row->from_step = task->run->step_name;
	row->reason = "simulated";
	row->context = jo_jsonb_put(NULL, step->into, step->u.call.simulated);
	task->error = NULL;
	task->isnull = step->u.call.simulated == NULL;
	task->value = JsonbPGetDatum(step->u.call.simulated);
}

/* Answer the n calls that tasks ask for. */
void
jo_call(JoBatch *batch, JoTask **tasks, int n)
{
	List	   *members = NIL;
	int			start = 0;

	if (!batch->sink->calls)
	{
		for (int i = 0; i < n; i++)
			simulate(batch, tasks[i]);
		return;
	}
	while (start < n)
	{
		int			end = start + 1;

		while (end < n && tasks[end]->expression == tasks[start]->expression)
			end++;
		execute(batch, tasks + start, end - start);
		start = end;
	}
	for (int i = 0; i < n; i++)
	{
		tasks[i]->member->has_called = true;
		members = list_append_unique_ptr(members, tasks[i]->member);
	}
	batch->has_called = true;
	batch->more = true;
	jo_batch_read_profiles(batch, members);
}
