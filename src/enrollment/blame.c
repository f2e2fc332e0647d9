/*
 * enrollment/blame.c
 *	  What fails in a careful batch, and what is done without it.
 *
 * A fault says what raised at which input of a member: a run at one of its
 * visits, the entry of a journey, or the input itself.  The code that computes
 * and writes says, before each thing that may raise, whom to blame if it does
 * (jo_care_blame(), batch->care); careful.c then has the blame assigned and
 * computes the member again, and this file parks, refuses or sets aside at the
 * same place.  Outside of a careful batch nothing of this happens.
 */
#include "postgres.h"

#include "enrollment/careful.h"

static bool
is_same_run(const JoFault *fault, const JoRun *run)
{
	return fault->kind == JO_FAULT_RUN &&
		memcmp(&fault->enrollment_id, &run->id, sizeof(pg_uuid_t)) == 0;
}

static JoFault *
find_run_fault(const JoCare *care, const JoRun *run, int input)
{
	ListCell   *cell;

	foreach(cell, care->faults)
	{
		JoFault    *fault = lfirst(cell);

		if (is_same_run(fault, run) && fault->input == input &&
			(input == JO_ANY_INPUT || fault->visit == run->visit))
			return fault;
	}
	return NULL;
}

static JoFault *
find_fault(const JoCare *care, JoFaultKind kind, int32 journey_id, int input)
{
	ListCell   *cell;

	foreach(cell, care->faults)
	{
		JoFault    *fault = lfirst(cell);

		if (fault->kind == kind && fault->journey_id == journey_id &&
			fault->input == input)
			return fault;
	}
	return NULL;
}

static JoFault *
add_fault(JoCare *care, JoFaultKind kind, int input, JoError *error)
{
	JoFault    *fault = palloc0(sizeof(JoFault));

	fault->kind = kind;
	fault->input = input;
	fault->error = error;
	care->faults = lappend(care->faults, fault);
	return fault;
}

/* Blame the run under way; false when that was tried before. */
static bool
blame_run(JoCare *care, JoError *error)
{
	JoRun	   *run = care->run;
	int			input = care->input;
	JoFault    *fault;

	if (care->phase == JO_CARE_WRITING)
		input = JO_ANY_INPUT;
	if (find_run_fault(care, run, input) != NULL)
		return false;
	fault = add_fault(care, JO_FAULT_RUN, input, error);
	fault->enrollment_id = run->id;
	fault->visit = run->visit;
	return true;
}

/* Blame the entry of a journey; false when that was tried before. */
static bool
blame_entry(JoCare *care, int32 journey_id, JoError *error)
{
	int			input = care->input;
	JoFault    *fault;

	if (care->phase == JO_CARE_WRITING)
		input = JO_ANY_INPUT;
	if (find_fault(care, JO_FAULT_ENTRY, journey_id, input) != NULL)
		return false;
	fault = add_fault(care, JO_FAULT_ENTRY, input, error);
	fault->journey_id = journey_id;
	return true;
}

/*
 * Find out what the member can be computed without, and note it.  A run that
 * cannot even be parked where it entered is not let in.  False: there is
 * nothing left to blame.
 */
bool
jo_care_assign(JoCare *care, const JoMember *member, JoError *error)
{
	if (care->phase == JO_CARE_READING)
		return false;
	if (care->run != NULL)
	{
		if (blame_run(care, error))
			return true;
		return !care->run->is_stored &&
			blame_entry(care, care->run->journey_id, error);
	}
	if (care->graph != NULL)
		return blame_entry(care, care->graph->journey_id, error);
	if (care->phase == JO_CARE_WRITING || care->input == 0 ||
		member->event == NULL ||
		find_fault(care, JO_FAULT_INPUT, 0, care->input) != NULL)
		return false;
	add_fault(care, JO_FAULT_INPUT, care->input, error);
	return true;
}

/* Go past an event without applying it. */
void
jo_care_set_aside(JoBatch *batch, const JoMember *member,
				  const JoEvent *event, const JoError *error)
{
	JoSetAside *aside = palloc(sizeof(JoSetAside));

	aside->customer_id = member->customer_id;
	aside->event = event;
	aside->clock = event->instant;
	aside->error = error;
	batch->aside = lappend(batch->aside, aside);
}

/* The next input begins.  True: it is known to fail, and was set aside. */
bool
jo_care_sets_aside(JoBatch *batch)
{
	JoCare	   *care = batch->care;
	JoMember   *member = linitial(batch->members);
	JoFault    *fault;

	care->input++;
	jo_care_blame(batch, NULL, NULL);
	fault = find_fault(care, JO_FAULT_INPUT, 0, care->input);
	if (fault == NULL)
		return false;
	jo_care_set_aside(batch, member, member->event, fault->error);
	return true;
}

/* True: the run is known to fail here, and is parked. */
bool
jo_care_parks(JoBatch *batch, JoRun *run)
{
	JoCare	   *care = batch->care;
	const JoEvent *event = run->member->event;
	JoFault    *fault;

	jo_care_blame(batch, run, run->graph);
	fault = find_run_fault(care, run, care->input);
	if (fault == NULL)
		fault = find_run_fault(care, run, JO_ANY_INPUT);
	if (fault == NULL)
		return false;

	/* by an earlier input of this batch */
	if (fault->input == JO_ANY_INPUT && run->is_changed &&
		run->state == JO_ENROLLMENT_PARKED)
		return true;
	if (run->state != JO_ENROLLMENT_MOVING)
	{
		run->event = event != NULL ? event->payload : NULL;
		run->event_name = event != NULL ? event->name : NULL;
		run->event_id = event != NULL ? event->seq : 0;
	}
	jo_run_park(batch, run, fault->error, NULL);
	return true;
}

/* True: the entry is known to fail here, and is refused. */
bool
jo_care_refuses(JoBatch *batch, JoMember *member, const JoGraph *graph)
{
	JoCare	   *care = batch->care;
	JoFault    *fault;

	jo_care_blame(batch, NULL, graph);
	fault = find_fault(care, JO_FAULT_ENTRY, graph->journey_id, care->input);
	if (fault == NULL)
		fault = find_fault(care, JO_FAULT_ENTRY, graph->journey_id,
						   JO_ANY_INPUT);
	if (fault == NULL)
		return false;
	jo_log_refusal(batch, member, graph, NULL, "entry_error", fault->error);
	return true;
}

/* If what follows raises, it is the fault of the run with this id. */
void
jo_care_blame_id(JoBatch *batch, const pg_uuid_t *enrollment_id)
{
	JoMember   *member = linitial(batch->members);
	JoRun	   *run = jo_member_run(member, enrollment_id);

	jo_care_blame(batch, run, run != NULL ? run->graph : NULL);
}

/* The same for what a run left behind. */
void
jo_care_blame_memory(JoBatch *batch, JoMember *member, const JoMemory *memory)
{
	ListCell   *cell;

	jo_care_blame(batch, NULL, NULL);
	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (run->is_changed && run->journey_id == memory->journey_id &&
			jo_key_equals(run->key, memory->key))
			jo_care_blame(batch, run, run->graph);
	}
}

/* The same for a row of the step log, which may tell of a refused entry. */
void
jo_care_blame_log(JoBatch *batch, const JoLogRow *row)
{
	if (row->run != NULL)
		jo_care_blame(batch, unconstify(JoRun *, row->run), row->run->graph);
	else
		jo_care_blame(batch, NULL, jo_graph(row->journey_id, row->version));
}
