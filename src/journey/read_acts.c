/*
 * journey/read_acts.c
 *	  The steps that reach beyond their run: call, emit, enter, approve.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "journey/reader.h"

void
jo_read_call(JoReader *reader, JoStep *step, JsonbValue *source,
			 const JoPath *path)
{
	JsonbValue	simulated;
	JoPath		ignored;

	jo_read_target(reader, step->position, source, "next", path, NULL, true,
				   &step->next);
	step->u.call.expression =
		jo_read_call_expression(reader, source, "call", path, JO_ANY_AS_JSONB,
								JO_SCOPE_RUN);
	if (jo_read_member(source, "simulated", path, &simulated, &ignored))
		step->u.call.simulated = JsonbValueToJsonb(&simulated);
}

/* An emitted event must not pass for a relay's report or for our own. */
static void
check_event_name(JoReader *reader, const char *name, const JoPath *path)
{
	if (name && (strncmp(name, "message.", 8) == 0 ||
				 strncmp(name, "consent.", 8) == 0 ||
				 strncmp(name, "journey.", 8) == 0))
		jo_finding_add(reader->findings, JO_FINDING_RESERVED_NAME, path,
					   NULL, "events \"%.7s.*\" are journey_orch's own", name);
}

void
jo_read_emit(JoReader *reader, JoStep *step, JsonbValue *source,
			 const JoPath *path)
{
	JsonbValue	emit;
	JoPath		emit_path;

	jo_read_target(reader, step->position, source, "next", path, NULL, true,
				   &step->next);
	if (!jo_read_member(source, "emit", path, &emit, &emit_path))
		return;
	step->u.emit.event = emit.type == jbvString ? jo_value_string(&emit) :
		jo_read_string(&emit, "event");
	check_event_name(reader, step->u.emit.event, &emit_path);
	step->u.emit.payload = jo_read_expression(reader, &emit, "payload",
											  &emit_path, JSONBOID,
											  JO_SCOPE_RUN);
}

/* "until": {"after", "next"}; false, with a finding, when there is none. */
static bool
read_until(JoReader *reader, JoStep *step, JsonbValue *object,
		   const JoPath *path, const JoPath *step_path, JoDuration *timeout,
		   int *next)
{
	JsonbValue	until;
	JoPath		until_path;

	*next = JO_NO_STEP;
	if (!jo_read_object(object, "until", path, &until, &until_path))
	{
		jo_finding_add(reader->findings, JO_FINDING_WAITS_FOREVER, step_path,
					   NULL, "step has no timeout");
		return false;
	}
	jo_read_target(reader, step->position, &until, "next", &until_path,
				   jo_read_string(&until, "after"), false, next);
	return jo_read_duration(reader, &until, "after", &until_path, timeout);
}

/* Another journey must be named; whether it exists is looked at later. */
static void
use_journey(JoReader *reader, JoStep *step, const JoPath *path)
{
	JoEnterUse *use = palloc0(sizeof(JoEnterUse));

	if (step->u.enter.journey == NULL)
		return;
	use->step = step->position;
	use->journey = step->u.enter.journey;
	use->path = jo_path_copy(path);
	reader->enters = lappend(reader->enters, use);
}

void
jo_read_enter(JoReader *reader, JoStep *step, JsonbValue *source,
			  const JoPath *path)
{
	JsonbValue	enter;
	JoPath		enter_path;
	char	   *word;

	step->u.enter.timeout_next = JO_NO_STEP;

	/* A child that is waited for may end at once. */
	jo_read_target(reader, step->position, source, "next", path, NULL, true,
				   &step->next);
	if (!jo_read_member(source, "enter", path, &enter, &enter_path))
		return;
	step->u.enter.journey = enter.type == jbvString ? jo_value_string(&enter) :
		jo_read_string(&enter, "journey");
	use_journey(reader, step, &enter_path);
	step->u.enter.context = jo_read_expression(reader, &enter, "context",
											   &enter_path, JSONBOID,
											   JO_SCOPE_RUN);
	step->u.enter.key = jo_read_expression(reader, &enter, "key", &enter_path,
										   TEXTOID, JO_SCOPE_RUN);
	step->u.enter.waits = jo_read_boolean(&enter, "wait", false);
	word = jo_read_string(&enter, "when_cancelled");
	step->u.enter.ends_child = word == NULL || strcmp(word, "exit") == 0;
	if (step->u.enter.waits)
		step->u.enter.has_timeout = read_until(reader, step, &enter,
											   &enter_path, path,
											   &step->u.enter.timeout,
											   &step->u.enter.timeout_next);
}

/* The step of each decision.  A person takes his time. */
static void
read_decisions(JoReader *reader, JoStep *step, JsonbValue *next,
			   const JoPath *path)
{
	JsonbIterator *iterator = JsonbIteratorInit(next->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	member;
	int			n = JsonContainerSize(next->val.binary.data);
	int			i = 0;

	step->u.approve.decisions = palloc0(sizeof(char *) * Max(n, 1));
	step->u.approve.next = palloc0(sizeof(int) * Max(n, 1));
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		char	   *decision;

		if (token != WJB_KEY)
			continue;
		decision = jo_value_string(&member);
		step->u.approve.decisions[i] = decision;
		jo_read_target(reader, step->position, next, decision, path, decision,
					   false, &step->u.approve.next[i]);
		i++;
	}
	step->u.approve.ndecisions = n;
}

void
jo_read_approve(JoReader *reader, JoStep *step, JsonbValue *source,
				const JoPath *path)
{
	JsonbValue	approve;
	JsonbValue	next;
	JoPath		approve_path;
	JoPath		next_path;
	JoPath		role_path;
	JsonbValue	ignored;

	step->u.approve.timeout_next = JO_NO_STEP;
	if (jo_read_object(source, "next", path, &next, &next_path))
		read_decisions(reader, step, &next, &next_path);
	if (!jo_read_object(source, "approve", path, &approve, &approve_path))
		return;
	step->u.approve.role = jo_read_string(&approve, "role");
	step->u.approve.question = jo_read_string(&approve, "question");
	if (step->u.approve.role == NULL)
		step->u.approve.role = pstrdup("journey_orch_operator");
	else if (jo_read_member(&approve, "role", &approve_path, &ignored,
							&role_path))
		jo_use_name(reader, JO_NAME_ROLE, step->u.approve.role, NULL,
					&role_path);
	step->u.approve.has_timeout = read_until(reader, step, &approve,
											 &approve_path, path,
											 &step->u.approve.timeout,
											 &step->u.approve.timeout_next);
}
