/*
 * journey/read_steps.c
 *	  The steps of a definition: one reader a verb.
 *
 * A verb that this release has not built gets no JoStep fields, but the steps
 * it names are followed all the same, so that what comes after it is neither
 * unreachable nor unchecked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "journey/reader.h"

/* "fallback_on": JO_FALLBACK_*, its words or those that it stands for. */
static int
read_fallback(JsonbValue *send, const JoPath *path)
{
	static const char *const words[] = {"no_address", "no_consent", "failed"};
	static const int reasons[] = {
		JO_FALLBACK_NO_ADDRESS, JO_FALLBACK_NO_CONSENT, JO_FALLBACK_FAILED
	};
	JsonbValue	list;
	JoPath		list_path;
	int			result = 0;

	if (!jo_read_array(send, "fallback_on", path, &list, &list_path))
		return JO_FALLBACK_NO_ADDRESS | JO_FALLBACK_NO_CONSENT |
			JO_FALLBACK_FAILED;
	for (int i = 0; i < JsonContainerSize(list.val.binary.data); i++)
	{
		char	   *word =
		jo_value_string(getIthJsonbValueFromContainer(list.val.binary.data,
													  i));

		for (int j = 0; j < lengthof(words); j++)
			if (word != NULL && strcmp(word, words[j]) == 0)
				result |= reasons[j];
	}
	return result;
}

static void
read_send(JoReader *reader, JoStep *step, JsonbValue *source,
		  const JoPath *path)
{
	JsonbValue	send;
	JsonbValue	channels;
	JoPath		send_path;
	JoPath		channels_path;
	JoPath		template_path;
	JsonbValue	ignored;
	int			n = 0;

	jo_read_target(reader, step->position, source, "next", path, NULL, true,
				   &step->next);
	step->u.send.on_withheld = JO_NO_STEP;
	jo_read_target(reader, step->position, source, "on_withheld", path,
				   "withheld", true, &step->u.send.on_withheld);
	step->u.send.into = jo_read_string(source, "into");
	if (!jo_read_object(source, "send", path, &send, &send_path))
		return;

	step->u.send.template = jo_read_string(&send, "template");
	step->u.send.topic = jo_read_string(&send, "topic");
	step->u.send.priority = jo_read_integer(&send, "priority", 5);
	step->u.send.has_expiry = jo_read_duration(reader, &send, "expires_after",
											   &send_path,
											   &step->u.send.expires_after);
	if (step->u.send.topic &&
		jo_read_member(&send, "topic", &send_path, &ignored, &template_path))
		jo_use_name(reader, JO_NAME_TOPIC, step->u.send.topic, NULL, &template_path);

	if (jo_read_array(&send, "channels", &send_path, &channels, &channels_path))
		n = JsonContainerSize(channels.val.binary.data);
	step->u.send.channels = palloc0(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *channel = getIthJsonbValueFromContainer(channels.val.binary.data, i);
		JoPath		here = {&channels_path, NULL, 0, i};
		char	   *name = jo_value_string(channel);

		if (name == NULL)
			continue;
		step->u.send.channels[step->u.send.nchannels++] = name;
		jo_use_name(reader, JO_NAME_CHANNEL, name, NULL, &here);
		if (step->u.send.template &&
			jo_read_member(&send, "template", &send_path, &ignored, &template_path))
			jo_use_name(reader, JO_NAME_TEMPLATE, step->u.send.template, name,
						&template_path)->topic = step->u.send.topic;
	}
	step->u.send.fallback_on = read_fallback(&send, &send_path);
	step->u.send.awaits_outcome = step->on_failure != JO_NO_STEP ||
		step->u.send.on_withheld != JO_NO_STEP || step->u.send.nchannels > 1;
}

static void
read_delay(JoReader *reader, JoStep *step, JsonbValue *source,
		   const JoPath *path)
{
	JsonbValue	delay;
	JoPath		delay_path;

	if (jo_read_member(source, "delay", path, &delay, &delay_path) &&
		!jo_read_delay(reader, step, source, path, &delay, &delay_path,
					   &step->u.delay.time))
		jo_read_unbuilt(reader, step->position, source, path);
	jo_read_restart(reader, source, path, &step->u.delay.restart);
}

static void
read_branch(JoReader *reader, JoStep *step, JsonbValue *source,
			const JoPath *path)
{
	JsonbValue	arms;
	JoPath		arms_path;
	int			n = 0;

	if (jo_read_array(source, "branch", path, &arms, &arms_path))
		n = JsonContainerSize(arms.val.binary.data);
	step->u.branch.arms = palloc0(sizeof(JoBranchArm) * Max(n, 1));
	step->u.branch.narms = n;
	for (int i = 0; i < n; i++)
	{
		JsonbValue *source_arm = getIthJsonbValueFromContainer(arms.val.binary.data, i);
		JoPath		here = {&arms_path, NULL, 0, i};
		JoBranchArm *arm = &step->u.branch.arms[i];

		arm->when = jo_read_expression(reader, source_arm, "when", &here,
									   BOOLOID, JO_SCOPE_RUN);
		jo_read_target(reader, step->position, source_arm, "next", &here,
					   jo_read_string(source_arm, "when"), true, &arm->next);
		arm->path = jo_path_pointer(&here);
	}
	jo_read_target(reader, step->position, source, "else", path, "else", true,
				   &step->u.branch.otherwise);
}

/* The weights of a split, and the next step of each arm. */
static void
read_arms(JoReader *reader, JoStep *step, JsonbValue *arms, JsonbValue *next,
		  const JoPath *next_path)
{
	JsonbIterator *iterator = JsonbIteratorInit(arms->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	member;
	int			n = JsonContainerSize(arms->val.binary.data);
	int			i = 0;

	step->u.split.arms = palloc0(sizeof(JoArm) * Max(n, 1));
	step->u.split.next = palloc(sizeof(int) * Max(n, 1));
	step->u.split.narms = n;
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		JoArm	   *arm = &step->u.split.arms[i];

		if (token == WJB_KEY)
			arm->name = jo_value_string(&member);
		if (token != WJB_VALUE)
			continue;
		if (member.type == jbvNumeric)
			arm->weight =
				DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												   NumericGetDatum(member.val.numeric)));
		jo_read_target(reader, step->position, next, arm->name, next_path,
					   arm->name, true, &step->u.split.next[i]);
		if (getKeyJsonValueFromContainer(next->val.binary.data, arm->name,
										 strlen(arm->name), &member) == NULL)
			jo_finding_add(reader->findings, JO_FINDING_MISSING_ARM, next_path,
						   NULL, "arm \"%s\" has no next step", arm->name);
		i++;
	}
}

static void
check_unknown_arms(JoReader *reader, JsonbValue *arms, JsonbValue *next,
				   const JoPath *next_path)
{
	JsonbIterator *iterator = JsonbIteratorInit(next->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	ignored;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		JoPath		here = {next_path, NULL, 0, 0};

		if (token != WJB_KEY ||
			getKeyJsonValueFromContainer(arms->val.binary.data,
										 key.val.string.val, key.val.string.len,
										 &ignored) != NULL)
			continue;
		here.key = key.val.string.val;
		here.key_length = key.val.string.len;
		jo_finding_add(reader->findings, JO_FINDING_UNKNOWN_ARM, &here, NULL,
					   "arm \"%s\" does not exist", jo_value_string(&key));
	}
}

static void
read_split(JoReader *reader, JoStep *step, JsonbValue *source,
		   const JoPath *path)
{
	JsonbValue	split;
	JsonbValue	arms;
	JsonbValue	next;
	JoPath		split_path;
	JoPath		arms_path;
	JoPath		next_path;

	if (!jo_read_object(source, "split", path, &split, &split_path))
		return;
	step->u.split.experiment = jo_read_string(&split, "experiment");
	if (step->u.split.experiment == NULL)
		step->u.split.experiment = psprintf("%s/%s", reader->graph->name, step->name);
	step->u.split.salt = jo_read_string(&split, "salt");
	if (step->u.split.salt == NULL)
		step->u.split.salt = pstrdup("");
	if (!jo_read_object(&split, "arms", &split_path, &arms, &arms_path) ||
		!jo_read_object(source, "next", path, &next, &next_path))
		return;
	read_arms(reader, step, &arms, &next, &next_path);
	check_unknown_arms(reader, &arms, &next, &next_path);
}

static void
read_update(JoReader *reader, JoStep *step, JsonbValue *source,
			const JoPath *path)
{
	JsonbValue	update;
	JsonbValue	member;
	JoPath		update_path;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	int			i = 0;

	jo_read_target(reader, step->position, source, "next", path, NULL, true,
				   &step->next);
	if (!jo_read_object(source, "update", path, &update, &update_path))
		return;
	step->u.update.nassignments = JsonContainerSize(update.val.binary.data);
	step->u.update.assignments =
		palloc0(sizeof(JoAssignment) * Max(step->u.update.nassignments, 1));
	iterator = JsonbIteratorInit(update.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		JoAssignment *assignment = &step->u.update.assignments[i];

		if (token != WJB_KEY)
			continue;
		assignment->name = jo_value_string(&member);
		assignment->value = jo_read_expression(reader, &update, assignment->name,
											   &update_path, JO_ANY_AS_JSONB,
											   JO_SCOPE_RUN);
		i++;
	}
}

static void
read_exit(JoReader *reader, JoStep *step, JsonbValue *source,
		  const JoPath *path)
{
	JsonbValue	part;
	JoPath		part_path;

	step->u.exit.reason = jo_read_string(source, "exit");
	if (step->u.exit.reason && jo_reason_is_reserved(step->u.exit.reason) &&
		jo_read_member(source, "exit", path, &part, &part_path))
		jo_finding_add(reader->findings, JO_FINDING_RESERVED_NAME, &part_path,
					   NULL, "exit reason \"%s\" is one that the engine records",
					   step->u.exit.reason);
	if (!jo_read_object(source, "convert", path, &part, &part_path))
		return;
	step->u.exit.converts = true;
	step->u.exit.value = jo_read_expression(reader, &part, "value", &part_path,
											NUMERICOID, JO_SCOPE_RUN);
	step->u.exit.currency = jo_read_expression(reader, &part, "currency",
											   &part_path, TEXTOID, JO_SCOPE_RUN);
}

/* Where one value stands for a step: "next", "skip_to" … */
static void
follow(JoReader *reader, int from, JsonbValue *object, const char *key,
	   const JoPath *path, const char *label)
{
	int		   *slot = palloc(sizeof(int));

	/* Time passes in most of them; a wrong "instant" would refuse a good one. */
	jo_read_target(reader, from, object, key, path, label, false, slot);
}

/*
 * Follow the steps named by something that is not built: "next", which may be
 * a map, and "until", "past" and "missing" one level down.
 */
void
jo_read_unbuilt(JoReader *reader, int from, JsonbValue *object,
				const JoPath *path)
{
	static const char *const nested[] = {"until", "past", "missing"};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key = {0};
	JsonbValue	member;
	JoPath		part_path;

	if (!jo_read_object(object, "next", path, &member, &part_path))
		follow(reader, from, object, "next", path, NULL);
	else
	{
		JsonbValue	arms = member;

		iterator = JsonbIteratorInit(arms.val.binary.data);
		while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
			{
				char	   *arm = jo_value_string(&member);

				follow(reader, from, &arms, arm, &part_path, arm);
			}
		}
	}

	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return;
	iterator = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		JoPath		here = {path, NULL, 0, 0};

		if (token == WJB_KEY)
			key = member;
		if (token != WJB_VALUE || member.type != jbvBinary)
			continue;
		here.key = key.val.string.val;
		here.key_length = key.val.string.len;
		for (int i = 0; i < lengthof(nested); i++)
		{
			JsonbValue	part;

			if (!jo_read_object(&member, nested[i], &here, &part, &part_path))
				continue;
			follow(reader, from, &part, "next", &part_path, nested[i]);
			follow(reader, from, &part, "skip_to", &part_path, nested[i]);
		}
	}
}

void
jo_read_step(JoReader *reader, int number)
{
	JoStepSource *source = &reader->sources[number];
	JoStep	   *step = &reader->graph->steps[number];
	JoPath		steps_path = {NULL, "steps", 5, 0};
	JoPath		path = {&steps_path, source->name.val.string.val, source->name.val.string.len, 0};

	step->name = jo_value_string(&source->name);
	step->position = number;
	step->next = JO_NO_STEP;
	step->on_failure = JO_NO_STEP;
	step->into = jo_read_string(&source->value, "into");
	if (step->into == NULL)
		step->into = step->name;
	jo_read_target(reader, number, &source->value, "on_failure", &path,
				   "failure", true, &step->on_failure);
	if (!source->has_verb)
	{
		jo_read_unbuilt(reader, number, &source->value, &path);
		return;
	}
	step->verb = source->verb;
	switch (source->verb)
	{
		case JO_SEND:
			read_send(reader, step, &source->value, &path);
			break;
		case JO_DELAY:
			read_delay(reader, step, &source->value, &path);
			break;
		case JO_WAIT:
			jo_read_wait(reader, step, &source->value, &path);
			break;
		case JO_BRANCH:
			read_branch(reader, step, &source->value, &path);
			break;
		case JO_SPLIT:
			read_split(reader, step, &source->value, &path);
			break;
		case JO_UPDATE:
			read_update(reader, step, &source->value, &path);
			break;
		case JO_EXIT:
			read_exit(reader, step, &source->value, &path);
			break;
		case JO_CALL:
			jo_read_call(reader, step, &source->value, &path);
			break;
		case JO_EMIT:
			jo_read_emit(reader, step, &source->value, &path);
			break;
		case JO_ENTER:
			jo_read_enter(reader, step, &source->value, &path);
			break;
		case JO_APPROVE:
			jo_read_approve(reader, step, &source->value, &path);
			break;
		case JO_DIGEST:
			jo_read_digest(reader, step, &source->value, &path);
			break;
		case JO_DECIDE:
			jo_read_unbuilt(reader, number, &source->value, &path);
			break;
	}
}
