/*
 * enrollment/progress.c
 *	  What a run has counted at the step where it stands, and where that is
 *	  stored: restarts, how much of a pause its time leaves out, the branch of a
 *	  ranked wait that has happened with its event, and that an event is spent.
 *
 * It is the engine's own, so it lies beside the context and not in it: column
 * "progress", NULL for nearly every run, begun anew with every visit.  A branch
 * is named by what it waits for (JoMatch.identity), so that it is found again
 * when the run was moved to another version; one that is gone there has not
 * happened.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "enrollment/batch.h"
#include "enrollment/json.h"

/* A new visit: nothing has been counted. */
void
jo_progress_reset(JoRun *run)
{
	run->restarts = 0;
	run->paused = 0;
	run->noted = 0;
	run->noted_event = NULL;
	run->noted_name = NULL;
	run->noted_is_spent = false;
}

/* Which branch of the wait the run stands at is noted; -1: none. */
int
jo_progress_happened(const JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];

	if (run->noted == 0 || step->verb != JO_WAIT || !step->u.wait.is_ranked)
		return -1;
	for (int i = 0; i < step->u.wait.nbranches; i++)
		if (step->u.wait.branches[i].identity == run->noted)
			return i;
	return -1;
}

/* Branch "index" has happened, with the event that the run stands by. */
void
jo_progress_note(JoRun *run, int index)
{
	const JoStep *step = &run->graph->steps[run->step];

	run->noted = step->u.wait.branches[index].identity;
	run->noted_event = run->event;
	run->noted_name = run->event_name;
	run->noted_is_spent = run->is_spent;
	run->is_changed = true;
}

/*
 * Let the noted branch's event be the one that moves the run on: a digest there
 * may collect it, unless no event had brought the run to the wait.
 */
void
jo_progress_recall(JoRun *run)
{
	run->event = run->noted_event;
	run->event_name = run->noted_name;
	run->is_spent = run->noted_is_spent;
}

static void
put_key(JsonbParseState **state, const char *name)
{
	JsonbValue	item;

	item.type = jbvString;
	item.val.string.val = unconstify(char *, name);
	item.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &item);
}

static void
put_number(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue	item;

	put_key(state, name);
	item.type = jbvNumeric;
	item.val.numeric = int64_to_numeric(number);
	pushJsonbValue(state, WJB_VALUE, &item);
}

static void
put_string(JsonbParseState **state, const char *name, const char *string)
{
	JsonbValue	item;

	put_key(state, name);
	item.type = jbvString;
	item.val.string.val = unconstify(char *, string);
	item.val.string.len = strlen(string);
	pushJsonbValue(state, WJB_VALUE, &item);
}

static void
put_true(JsonbParseState **state, const char *name)
{
	JsonbValue	item;

	put_key(state, name);
	item.type = jbvBool;
	item.val.boolean = true;
	pushJsonbValue(state, WJB_VALUE, &item);
}

/*
 * May the step that the run stands at, or one after it, be executed by what
 * brought the run there?  From where it waits, the next input takes it on.
 */
static bool
keeps_cause(const JoRun *run)
{
	return run->state == JO_ENROLLMENT_HELD ||
		run->state == JO_ENROLLMENT_PARKED ||
		run->state == JO_ENROLLMENT_SENDING || run->error != NULL;
}

/* For the row; NULL when nothing was counted. */
Jsonb *
jo_progress_to_json(const JoRun *run)
{
	JsonbParseState *state = NULL;
	bool		is_spent = run->is_spent && keeps_cause(run);
	Jsonb	   *json;

	if (run->restarts == 0 && run->paused == 0 && run->noted == 0 &&
		!is_spent)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (run->restarts > 0)
		put_number(&state, "restarts", run->restarts);
	if (run->paused != 0)
		put_number(&state, "paused", run->paused);
	if (run->noted != 0)
		put_string(&state, "branch",
				   psprintf("%016llx", (unsigned long long) run->noted));
	if (is_spent)
		put_true(&state, "spent");
	if (run->noted_is_spent)
		put_true(&state, "branch_spent");
	if (run->noted_name != NULL)
		put_string(&state, "event_name", run->noted_name);
	json = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return run->noted_name == NULL ? json :
		jo_jsonb_put(json, "event", run->noted_event);
}

void
jo_progress_from_json(JoRun *run, Jsonb *json)
{
	char	   *branch;

	if (json == NULL)
		return;
	run->restarts = jo_json_int(json, "restarts", 0);
	run->paused = jo_json_int(json, "paused", 0);
	run->is_spent = jo_json_bool(json, "spent");
	branch = jo_json_string(json, "branch");
	if (branch != NULL)
		run->noted = strtoull(branch, NULL, 16);
	run->noted_is_spent = jo_json_bool(json, "branch_spent");
	run->noted_name = jo_json_string(json, "event_name");
	if (run->noted_name != NULL)
		run->noted_event = jo_json_object(json, "event");
}
