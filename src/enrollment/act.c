/*
 * enrollment/act.c
 *	  What an act on a journey means to each of its runs.
 *
 * An act is an input of the runs inside, like an event or a timer.  Among a
 * customer's events its place is by ticket.  Among his timers it is by instant
 * while the clock is virtual, so that small steps of the clock and a big one
 * give the same result; under the real clock it comes before every timer that
 * has not fired: who pauses a journey whose lanes are behind means what has not
 * happened yet.
 *
 * A run knows the last act that has changed it ("acted", at first the newest
 * before its entry).  What came after is met again whenever the run is read, in
 * order, until something changes: an act that found nothing to do then finds
 * nothing to do again, so it need not be written down, and no run can be missed
 * or be reached twice.  To be prompt, an act that people inside would not notice
 * by themselves is announced (life.c, reach.c).
 */
#include "postgres.h"

#include "enrollment/careful.h"
#include "journey/acts.h"

/* The acts that the run has met, and the one that it has to meet next. */
void
jo_run_bind_acts(JoRun *run)
{
	run->pause = jo_act_pause(run->journey_id,
							  jo_act_before(run->journey_id, run->acted + 1));
	run->next_act = jo_act_after(run->journey_id, run->acted);
	if (run->next_act != NULL)
		run->member->has_acts = true;
}

/*
 * The last act that a run has met which enters by this event: the newest before
 * it that this batch knows of, and not the ticket itself.  An act draws its
 * ticket before it commits; one that commits after the batch has to be met
 * although its ticket is the older one.
 */
int64
jo_act_met_at_entry(int32 journey_id, const JoEvent *event)
{
	const JoAct *act = jo_act_met(journey_id, event);

	return act == NULL ? 0 : act->seq;
}

/* The act has been met. */
static void
pass_act(JoRun *run, const JoAct *act)
{
	run->acted = act->seq;
	run->next_act = jo_act_after(run->journey_id, act->seq);
}

/*
 * When the act comes among timers; JO_NO_TIME: before all of them.  One later
 * than the clock was made before the clock was set back.
 */
TimestampTz
jo_act_instant(const JoBatch *batch, const JoAct *act)
{
	if (!batch->clock.is_virtual || act->at > batch->clock.now)
		return JO_NO_TIME;
	return act->at;
}

/*
 * The first act that one of the member's runs has to meet, or NULL.  None that
 * may still be overtaken by an event that this batch has not read.  (Timers due
 * before one that may not are never beyond timer_limit: a later event has been
 * read.)
 */
const JoAct *
jo_member_next_act(const JoBatch *batch, JoMember *member)
{
	const JoAct *next = NULL;
	ListCell   *cell;

	if (!member->has_acts)
		return NULL;
	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		if (run->state != JO_ENROLLMENT_ENDED && run->next_act != NULL &&
			(next == NULL || run->next_act->seq < next->seq))
			next = run->next_act;
	}
	if (next == NULL)
		member->has_acts = false;
	else if (next->seq > batch->act_limit ||
			 jo_act_instant(batch, next) > Min(batch->until, batch->clock.now))
		return NULL;
	return next;
}

/* The step of this name, or JO_NO_STEP. */
static int
find_step(const JoGraph *graph, const char *name)
{
	for (int i = 0; i < graph->nsteps; i++)
		if (jo_streq(graph->steps[i].name, name))
			return i;
	return JO_NO_STEP;
}

/*
 * Put the run onto the version: two rows of the log, because it departs from a
 * step of one version and arrives at a step of another.  The visit stays.
 */
static void
change_version(JoBatch *batch, JoRun *run, JoGraph *graph, int step)
{
	JoLogRow   *row = jo_log(batch, run, "moved");

	row->from_step = run->step_name;
	run->graph = graph;
	run->version = graph->version;
	run->step = step;
	run->step_name = graph->steps[step].name;
	run->is_changed = true;
	row = jo_log(batch, run, "moved");
	row->to_step = run->step_name;
	batch->advances++;
}

/* Does time alone take a run on that stays at the step? */
static bool
ends_by_time(const JoStep *step)
{
	switch (step->verb)
	{
		case JO_WAIT:
			return step->u.wait.has_timeout;
		case JO_ENTER:
			return step->u.enter.waits && step->u.enter.has_timeout;
		case JO_APPROVE:
			return step->u.approve.has_timeout;
		default:
			return true;
	}
}

/*
 * The due time of a run that has been moved, at rest.  One that was stored
 * stays; a step that had none, or has none any more, does as it says now.
 */
static void
settle_due(JoBatch *batch, JoRun *run, const JoStep *step)
{
	if (run->state == JO_ENROLLMENT_WAITING ||
		run->state == JO_ENROLLMENT_DELAYED)
	{
		if (!ends_by_time(step))
			run->due_at = JO_NO_TIME;
		else if (run->due_at == JO_NO_TIME)
			jo_run_time_again(batch, run);
	}
	run->last_log->due_at = run->due_at == JO_NO_TIME ? JO_NO_TIME :
		run->due_at + run->paused;
}

/*
 * "move": go on at the step of the same name, if the new version has one of the
 * same kind; else the run finishes where it is.  A held run has not begun its
 * step, so there the kind does not matter.
 */
static void
move_run(JoBatch *batch, JoRun *run, const JoAct *act)
{
	JoGraph    *graph = jo_graph(run->journey_id, act->version);
	const JoStep *step;
	int			number;

	run->is_changed = true;		/* the answer is for good */
	if (graph == NULL || graph->error != NULL || run->graph->error != NULL)
		return;
	number = find_step(graph, run->step_name);
	if (number == JO_NO_STEP)
		return;
	step = &graph->steps[number];
	if (run->state != JO_ENROLLMENT_HELD &&
		step->verb != run->graph->steps[run->step].verb)
		return;

	change_version(batch, run, graph, number);
	settle_due(batch, run, step);
}

/* The due time that a pause has kept from running out moves on by its length. */
static void
extend_wait(JoRun *run, const JoAct *pause, const JoAct *act)
{
	TimestampTz since = Max(pause->at, run->arrived_at);

	if (!pause->extends || run->due_at == JO_NO_TIME || act->at <= since ||
		(run->state != JO_ENROLLMENT_WAITING &&
		 run->state != JO_ENROLLMENT_DELAYED))
		return;
	run->due_at += act->at - since;
	run->paused = 0;
	run->is_changed = true;
}

static void
meet_resume(JoBatch *batch, JoRun *run, const JoAct *act)
{
	const JoAct *pause = run->pause;

	run->pause = NULL;
	if (run->state == JO_ENROLLMENT_HELD)
		jo_run_resume(batch, run, act);
	else if (pause != NULL)
		extend_wait(run, pause, act);
}

/* Let a live run meet the act. */
static void
meet(JoBatch *batch, JoRun *run, const JoAct *act)
{
	pass_act(run, act);
	run->event_id = 0;
	run->advances = 0;
	switch (act->kind)
	{
		case JO_ACT_PUBLISH:
			if (run->version == act->version)
				break;
			if (act->inflight == JO_INFLIGHT_EXIT)
				jo_run_end(batch, run, "superseded", true);
			else
				move_run(batch, run, act);
			break;
		case JO_ACT_STOP:
			jo_run_end(batch, run, "journey_stopped", true);
			break;
		case JO_ACT_PAUSE:
			run->pause = act;
			if (run->state == JO_ENROLLMENT_HELD && run->due_at != JO_NO_TIME)
			{
				run->due_at = JO_NO_TIME;
				run->is_changed = true;
			}
			break;
		case JO_ACT_RESUME:
			meet_resume(batch, run, act);
			break;
		case JO_ACT_ARCHIVE:
			break;
	}
}

/* Let all runs of the member that have to meet his act do so. */
void
jo_member_meet_act(JoBatch *batch, JoMember *member)
{
	const JoAct *act = member->act;
	ListCell   *cell;

	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (run->state == JO_ENROLLMENT_ENDED || run->next_act != act)
			continue;
		if (batch->care != NULL && jo_care_parks(batch, run))
			pass_act(run, act);
		else
			meet(batch, run, act);
		jo_due_add_run(run);
	}
}
