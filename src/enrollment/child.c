/*
 * enrollment/child.c
 *	  A run that another one has entered: its parent, and what they tell each
 *	  other.
 *
 * Both are runs of the same customer, so of the same lane and batch.  A child
 * remembers the visit of its parent that waits for it, and nothing else ties
 * them: a parent that has moved on is not found and not told.  They speak by
 * commands, which come as the customer's next inputs; so neither is changed
 * while it is in the middle of something.
 */
#include "postgres.h"

#include "enrollment/batch.h"
#include "enrollment/cause.h"
#include "enrollment/json.h"

/* The run stands at an enter step: command the child to begin. */
void
jo_child_enter(JoBatch *batch, JoRun *run)
{
	const JoVisit *visit = &run->visit_state;
	const JoStep *step = visit->step;
	Jsonb	   *payload;

	payload = jo_json_put_string(NULL, "journey", step->u.enter.journey);
	payload = jo_jsonb_put(payload, "context",
						   visit->payload != NULL ? visit->payload :
						   jo_jsonb_empty());
	payload = jo_json_put_string(payload, "key", visit->key);
	payload = jo_json_put_string(payload, "from", run->graph->name);
	payload = jo_json_put_uuid(payload, "parent_id", &run->id);
	if (step->u.enter.waits)
		payload = jo_json_put_int(payload, "parent_visit", run->visit);
	if (step->u.enter.waits && step->u.enter.ends_child)
		payload = jo_json_put_string(payload, "when_cancelled", "exit");
	jo_cause_command(batch, run, JO_COMMAND_ENTER, payload);
}

/* The run that waits at this visit for its child, or NULL. */
JoRun *
jo_child_find_parent(JoMember *member, const pg_uuid_t *parent_id,
					 int32 parent_visit)
{
	JoRun	   *run = jo_member_run(member, parent_id);

	if (run != NULL && run->state == JO_ENROLLMENT_WAITING &&
		run->visit == parent_visit && run->graph->error == NULL &&
		run->graph->steps[run->step].verb == JO_ENTER)
		return run;
	return NULL;
}

/* A run has ended: its parent, if one waits, is told how. */
static void
tell_parent(JoBatch *batch, JoRun *run, const char *reason)
{
	Jsonb	   *payload;

	if (run->parent_visit == 0)
		return;
	payload = jo_json_put_uuid(NULL, "parent_id", &run->parent_id);
	payload = jo_json_put_int(payload, "parent_visit", run->parent_visit);
	payload = jo_json_put_string(payload, "journey", run->graph->name);
	payload = jo_json_put_string(payload, "reason", reason);
	payload = jo_jsonb_put(payload, "context", run->context);
	jo_cause_notice(batch, run, JO_COMMAND_CHILD_ENDED, payload);
}

static void
dismiss(JoBatch *batch, JoRun *child)
{
	Jsonb	   *payload;

	payload = jo_json_put_uuid(NULL, "enrollment_id", &child->id);
	payload = jo_json_put_string(payload, "reason", "parent_ended");
	jo_cause_notice(batch, child, JO_COMMAND_LEAVE, payload);
}

/* A run has ended while it waited: the children it does not want to outlive it
 * end too. */
static void
dismiss_children(JoBatch *batch, JoRun *run)
{
	const JoStep *step;
	ListCell   *cell;

	if (run->graph == NULL || run->graph->error != NULL)
		return;
	step = &run->graph->steps[run->step];
	if (step->verb != JO_ENTER || !step->u.enter.waits ||
		!step->u.enter.ends_child)
		return;
	foreach(cell, run->member->runs)
	{
		JoRun	   *child = lfirst(cell);

		if (child->state != JO_ENROLLMENT_ENDED &&
			child->parent_visit == run->visit &&
			memcmp(&child->parent_id, &run->id, sizeof(pg_uuid_t)) == 0)
			dismiss(batch, child);
	}
}

/* A run has ended, for whatever reason. */
void
jo_child_run_ended(JoBatch *batch, JoRun *run, const char *reason)
{
	tell_parent(batch, run, reason);
	dismiss_children(batch, run);
}
