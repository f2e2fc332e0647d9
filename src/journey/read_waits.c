/*
 * journey/read_waits.c
 *	  What waits for events: the branches of a wait, restarts, digests.
 *
 * A branch is known across versions by what it waits for (JoMatch.identity),
 * so that a run which has noted one in a ranked wait finds it again after its
 * journey was edited.
 */
#include "postgres.h"

#include "core/lane.h"
#include "journey/reader.h"

#define DEFAULT_RESTARTS 100
#define DEFAULT_COLLECTED 1000

/* A branch that an earlier one leaves nothing for. */
static void
check_shadow(JoReader *reader, JoStep *step, char **conditions, int number,
			 const JoPath *path)
{
	const JoMatch *branch = &step->u.wait.branches[number];

	for (int i = 0; i < number; i++)
	{
		const JoMatch *earlier = &step->u.wait.branches[i];

		if (branch->on == NULL && earlier->on == NULL &&
			earlier->nretest == 0 && conditions[i] != NULL &&
			conditions[number] != NULL &&
			strcmp(conditions[i], conditions[number]) == 0)
		{
			jo_finding_add(reader->findings, JO_FINDING_SHADOWED_BRANCH, path,
						   NULL, "branch %d has the same condition", i + 1);
			return;
		}
		if (branch->on == NULL || earlier->on == NULL ||
			strcmp(earlier->on, branch->on) != 0 || conditions[i] != NULL ||
			earlier->match_key != NULL ||
			(earlier->of != JO_NO_STEP && earlier->of != branch->of))
			continue;
		jo_finding_add(reader->findings, JO_FINDING_SHADOWED_BRANCH, path, NULL,
					   "branch %d takes every event \"%s\" before this one",
					   i + 1, branch->on);
		return;
	}
}

/* Is this condition the word "true" and nothing else? */
static bool
is_literally_true(const char *condition)
{
	int			length;

	if (condition == NULL)
		return false;
	condition += strspn(condition, " \t\r\n");
	length = strcspn(condition, " \t\r\n");
	return length == 4 && pg_strncasecmp(condition, "true", 4) == 0 &&
		condition[length + strspn(condition + length, " \t\r\n")] == '\0';
}

/*
 * Branches that a condition which is always true leaves nothing for: those
 * behind it and, since it is true on arrival, before any event, all that wait
 * for one.  A ranked wait lets the events before it happen.
 */
static void
check_always(JoReader *reader, JoStep *step, char **conditions,
			 const JoPath *path)
{
	int			always = 0;

	while (always < step->u.wait.nbranches &&
		   (step->u.wait.branches[always].on != NULL ||
			!is_literally_true(conditions[always])))
		always++;
	if (always == step->u.wait.nbranches)
		return;
	for (int i = 0; i < step->u.wait.nbranches; i++)
	{
		JoPath		here = {path, NULL, 0, i};

		if (i > always ||
			(!step->u.wait.is_ranked && step->u.wait.branches[i].on != NULL))
			jo_finding_add(reader->findings, JO_FINDING_SHADOWED_BRANCH, &here,
						   "Give it a condition that may be false.",
						   "branch %d is true on arrival", always + 1);
	}
}

/* A hash of what the branch waits for, without where it leads. */
static uint64
read_identity(JsonbValue *branch)
{
	static const char *const keys[] = {"on", "when", "match_key", "of"};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(keys); i++)
	{
		char	   *part = jo_read_string(branch, keys[i]);

		appendStringInfoString(&text, part ? part : "");
		appendStringInfoChar(&text, '\0');
	}
	return jo_lane_hash(text.data, text.len);
}

static void
read_retest(JsonbValue *branch, JoMatch *match)
{
	JsonbValue	events;
	JoPath		path;
	int			n;

	if (!jo_read_array(branch, "retest_on", NULL, &events, &path))
		return;
	n = JsonContainerSize(events.val.binary.data);
	match->retest_on = palloc0(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		char	   *name = jo_value_string(getIthJsonbValueFromContainer(events.val.binary.data, i));

		if (name != NULL)
			match->retest_on[match->nretest++] = name;
	}
}

static void
read_branches(JoReader *reader, JoStep *step, JsonbValue *branches,
			  const JoPath *path, bool timeout_is_instant)
{
	int			n = JsonContainerSize(branches->val.binary.data);
	char	  **conditions = palloc0(sizeof(char *) * Max(n, 1));

	step->u.wait.branches = palloc0(sizeof(JoMatch) * Max(n, 1));
	step->u.wait.nbranches = n;
	for (int i = 0; i < n; i++)
	{
		JsonbValue *branch = getIthJsonbValueFromContainer(branches->val.binary.data, i);
		JoPath		here = {path, NULL, 0, i};
		JoMatch    *match = &step->u.wait.branches[i];

		jo_read_match(reader, branch, &here, match);
		read_retest(branch, match);
		match->identity = read_identity(branch);
		conditions[i] = jo_read_string(branch, "when");

		/* A condition may be true on arrival; a ranked wait stays then. */
		jo_read_target(reader, step->position, branch, "next", &here,
					   match->on ? match->on : conditions[i],
					   match->on == NULL &&
					   (!step->u.wait.is_ranked || timeout_is_instant),
					   &match->next);
		/* Quadratic, so only in lists that a person may have written. */
		if (n <= 100)
			check_shadow(reader, step, conditions, i, &here);
	}
	check_always(reader, step, conditions, path);
}

/* "until": a duration or a date. */
static void
read_timeout(JoReader *reader, JoStep *step, JsonbValue *until,
			 const JoPath *path)
{
	char	   *after = jo_read_string(until, "after");

	step->u.wait.has_timeout = true;
	if (after)
		step->u.wait.has_timeout =
			jo_read_duration(reader, until, "after", path,
							 &step->u.wait.timeout);
	else
	{
		step->u.wait.has_date = true;
		jo_read_date_rule(reader, step, until, "date", path,
						  &step->u.wait.date);
	}
	jo_read_target(reader, step->position, until, "next", path,
				   after ? after : jo_timing_summary(until), after == NULL,
				   &step->u.wait.timeout_next);
}

/* A wait that nothing but its branches ends. */
static void
check_endless(JoReader *reader, JoStep *step, JsonbValue *source,
			  const JoPath *path)
{
	if (step->u.wait.is_ranked)
		jo_finding_add(reader->findings, JO_FINDING_RANKED_FOREVER, path, NULL,
					   "no branch of the ranked wait is ever taken");
	else
		jo_finding_add(reader->findings, JO_FINDING_WAITS_FOREVER, path, NULL,
					   "step has no timeout");
	jo_check_effect(reader, source, path, "restart_on", "\"until\"");
}

void
jo_read_wait(JoReader *reader, JoStep *step, JsonbValue *source,
			 const JoPath *path)
{
	JsonbValue	wait;
	JsonbValue	until;
	JsonbValue	part;
	JoPath		wait_path;
	JoPath		until_path;
	JoPath		part_path;
	bool		has_until;

	step->u.wait.timeout_next = JO_NO_STEP;
	jo_read_restart(reader, source, path, &step->u.wait.restart);
	if (!jo_read_object(source, "wait", path, &wait, &wait_path))
		return;
	step->u.wait.is_ranked = jo_read_boolean(&wait, "ranked", false);
	has_until = jo_read_object(&wait, "until", &wait_path, &until, &until_path);
	if (jo_read_array(&wait, "for", &wait_path, &part, &part_path))
		read_branches(reader, step, &part, &part_path,
					  has_until && jo_read_string(&until, "after") == NULL);
	if (has_until)
		read_timeout(reader, step, &until, &until_path);
	else if (!jo_read_member(&wait, "until", &wait_path, &part, &part_path))
		check_endless(reader, step, source, path);
}

void
jo_read_restart(JoReader *reader, JsonbValue *source, const JoPath *path,
				JoRestart *restart)
{
	JsonbValue	object;
	JoPath		object_path;

	restart->max = DEFAULT_RESTARTS;
	restart->match.of = JO_NO_STEP;
	restart->match.next = JO_NO_STEP;
	restart->match.on = jo_read_string(source, "restart_on");
	if (!jo_read_object(source, "restart_on", path, &object, &object_path))
		return;
	jo_read_match(reader, &object, &object_path, &restart->match);
	restart->max = jo_read_integer(&object, "max", DEFAULT_RESTARTS);
}

void
jo_read_digest(JoReader *reader, JoStep *step, JsonbValue *source,
			   const JoPath *path)
{
	JsonbValue	digest;
	JsonbValue	time;
	JoPath		digest_path;
	JoPath		time_path;

	step->u.digest.match.of = JO_NO_STEP;
	if (!jo_read_object(source, "digest", path, &digest, &digest_path))
		return;
	jo_read_match(reader, &digest, &digest_path, &step->u.digest.match);
	if (jo_read_member(&digest, "for", &digest_path, &time, &time_path))
		(void) jo_read_delay(reader, step, source, path, &time, &time_path,
							 &step->u.digest.time);
	step->u.digest.has_look_back = jo_read_duration(reader, &digest,
													"look_back", &digest_path,
													&step->u.digest.look_back);
	step->u.digest.max = jo_read_integer(&digest, "max", DEFAULT_COLLECTED);
}
