/*
 * enrollment/wave.c
 *	  Runs tasks until all are done, answering their requests in waves.
 *
 * In each wave every task goes on as far as it can.  Requests for the same
 * expression are then answered by one evaluation over all rows that ask, and
 * messages of the same template by one rendering: the cost per customer falls
 * as the load rises.  An error in an answer ends only the task it concerns.
 *
 * In a careful batch (careful.c) each request is answered alone, so that it is
 * known whose answer took too long.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "enrollment/careful.h"

/* A task of this round for the caller to fill in. */
JoTask *
jo_task_create(JoBatch *batch, JoMember *member, JoRun *run,
			   const JoGraph *graph)
{
	JoTask	   *task = MemoryContextAllocZero(batch->round, sizeof(JoTask));

	task->member = member;
	task->run = run;
	task->graph = graph;
	return task;
}

/* Order by expression, so that equal requests stand together. */
static int
compare_by_expression(const void *a, const void *b)
{
	const JoTask *left = *(JoTask *const *) a;
	const JoTask *right = *(JoTask *const *) b;

	return (left->expression > right->expression) -
		(left->expression < right->expression);
}

/* Answer n requests for one expression. */
static void
answer_expression(JoTask **tasks, int n)
{
	const JoVariables **rows = palloc(n * sizeof(JoVariables *));
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *isnull = palloc(n * sizeof(bool));
	JoError   **errors = palloc0(n * sizeof(JoError *));

	for (int i = 0; i < n; i++)
		rows[i] = tasks[i]->variables;
	jo_expression_evaluate(tasks[0]->expression, n, rows, values, isnull,
						   errors);
	for (int i = 0; i < n; i++)
	{
		tasks[i]->value = values[i];
		tasks[i]->isnull = isnull[i];
		tasks[i]->error = errors[i];
	}
	pfree(rows);
	pfree(values);
	pfree(isnull);
	pfree(errors);
}

static void
answer_values(JoBatch *batch, JoTask **tasks, int n)
{
	int			start = 0;

	qsort(tasks, n, sizeof(JoTask *), compare_by_expression);
	while (start < n)
	{
		int			end = start + 1;

		jo_care_blame(batch, tasks[start]->run, tasks[start]->graph);
		while (batch->care == NULL && end < n &&
			   tasks[end]->expression == tasks[start]->expression)
			end++;
		answer_expression(tasks + start, end - start);
		start = end;
	}
}

static void
answer_messages(JoBatch *batch, JoTask **tasks, int n)
{
	JoError   **errors = palloc0(n * sizeof(JoError *));

	jo_compose(batch, tasks, n, errors);
	for (int i = 0; i < n; i++)
		tasks[i]->error = errors[i];
	pfree(errors);
}

/* Answer all requests of one kind. */
static void
answer(JoBatch *batch, List *asking, JoRequest request)
{
	int			n = 0;
	JoTask	  **tasks = palloc(list_length(asking) * sizeof(JoTask *));
	ListCell   *cell;

	foreach(cell, asking)
	{
		JoTask	   *task = lfirst(cell);

		if (task->request == request)
			tasks[n++] = task;
	}
	if (n > 0 && request == JO_REQUEST_VALUE)
		answer_values(batch, tasks, n);
	else if (n > 0 && request == JO_REQUEST_CALL)
		jo_call(batch, tasks, n);
	else if (n > 0 && batch->care == NULL)
		answer_messages(batch, tasks, n);
	else
		for (int i = 0; i < n; i++)
		{
			jo_care_blame(batch, tasks[i]->run, tasks[i]->graph);
			answer_messages(batch, &tasks[i], 1);
		}
	pfree(tasks);
}

/*
 * The tasks that go on, in the order in which they asked: where an expression
 * lies in memory must not decide which of a customer's runs comes first.
 */
static List *
keep_answered(JoBatch *batch, List *asking)
{
	List	   *alive = NIL;
	ListCell   *cell;

	foreach(cell, asking)
	{
		JoTask	   *task = lfirst(cell);

		jo_care_blame(batch, task->run, task->graph);
		if (task->error != NULL)
			task->fail(batch, task, task->error);
		else
			alive = lappend(alive, task);
	}
	return alive;
}

/* Run all tasks to their end; the list is used up. */
void
jo_wave_run(JoBatch *batch, List *tasks)
{
	while (tasks != NIL)
	{
		List	   *asking = NIL;
		ListCell   *cell;

		CHECK_FOR_INTERRUPTS();
		foreach(cell, tasks)
		{
			JoTask	   *task = lfirst(cell);

			jo_care_blame(batch, task->run, task->graph);
			if (!task->resume(batch, task))
				asking = lappend(asking, task);
		}
		list_free(tasks);
		if (asking == NIL)
			break;
		answer(batch, asking, JO_REQUEST_VALUE);
		answer(batch, asking, JO_REQUEST_CALL);
		answer(batch, asking, JO_REQUEST_MESSAGE);
		tasks = keep_answered(batch, asking);
		list_free(asking);
	}
}
