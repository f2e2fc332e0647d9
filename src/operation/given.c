/*
 * operation/given.c
 *	  The events that a simulation is given, as a JSON array.
 *
 * An element is an object with "event" (a name) or "enter" (an object with
 * "context" and "key", both optional), with "at" (an instant) or "after" (an
 * interval from the beginning of the simulation; neither: at its beginning),
 * and optionally "payload" and "customer".  With "of", a step, it is what the
 * customer does with each message of that step, "after" it.  Anything else is
 * refused: what is passed over in silence would be missed in the result.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "enrollment/json.h"
#include "operation/population.h"

/* The element under way, for errors. */
typedef struct Element
{
	const JoPopulation *population;
	const char *argument;
	int			number;			/* from 0 */
	Jsonb	   *object;
} Element;

static const char *const member_names[] = {
	"event", "enter", "at", "after", "payload", "customer", "of"
};

static void
refuse(const Element *element, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element %d of \"%s\" %s", element->number + 1,
					element->argument, fault),
			 errhint("An element is such as {\"event\": \"order_placed\", \"after\": \"2 days\", \"payload\": {\"amount\": 20}}.")));
}

static bool
is_known(const JsonbValue *key)
{
	for (int i = 0; i < lengthof(member_names); i++)
		if (key->val.string.len == strlen(member_names[i]) &&
			memcmp(key->val.string.val, member_names[i],
				   key->val.string.len) == 0)
			return true;
	return false;
}

/* Refuse members that nobody would read. */
static void
ensure_known_members(const Element *element)
{
	JsonbIterator *iterator = JsonbIteratorInit(&element->object->root);
	JsonbIteratorToken token;
	JsonbValue	key;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		if (token == WJB_KEY && !is_known(&key))
			refuse(element,
				   psprintf("has an unknown member \"%s\"",
							jo_clipped(pnstrdup(key.val.string.val,
												key.val.string.len))));
}

static bool
has_member(const Element *element, const char *name)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(&element->object->root, name,
										strlen(name), &value) != NULL;
}

/* A member that must be a string; NULL when there is none. */
static char *
string_member(const Element *element, const char *name)
{
	char	   *string = jo_json_string(element->object, name);

	if (string == NULL && has_member(element, name))
		refuse(element, psprintf("has a \"%s\" that is no string", name));
	return string;
}

/* A member that must be an object; NULL when there is none. */
static Jsonb *
object_member(const Element *element, const char *name)
{
	Jsonb	   *object = jo_json_object(element->object, name);

	if (has_member(element, name) &&
		(object == NULL || !JB_ROOT_IS_OBJECT(object)))
		refuse(element, psprintf("has a \"%s\" that is no object", name));
	return object;
}

static Interval *
read_interval(const char *string)
{
	return DatumGetIntervalP(DirectFunctionCall3(interval_in,
												 CStringGetDatum(string),
												 ObjectIdGetDatum(InvalidOid),
												 Int32GetDatum(-1)));
}

/* In UTC, whose bits a timestamp without zone shares. */
static TimestampTz
add_interval(TimestampTz instant, const Interval *interval)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
												 TimestampGetDatum(instant),
												 IntervalPGetDatum(interval)));
}

/* When the element happens. */
static TimestampTz
read_instant(const Element *element)
{
	TimestampTz since = element->population->since;
	char	   *at = string_member(element, "at");
	char	   *after = string_member(element, "after");
	TimestampTz instant = since;

	if (at != NULL && after != NULL)
		refuse(element, "has both \"at\" and \"after\"");
	if (at != NULL)
		instant = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
														  CStringGetDatum(at),
														  ObjectIdGetDatum(InvalidOid),
														  Int32GetDatum(-1)));
	else if (after != NULL)
		instant = add_interval(since, read_interval(after));
	if (instant < since || instant > element->population->until)
		refuse(element, psprintf("is at %s, which is not between \"since\" and \"until\"",
								 timestamptz_to_str(instant)));
	return instant;
}

static void
read_enter(const Element *element, JoGivenEvent *given)
{
	Jsonb	   *enter = object_member(element, "enter");
	Jsonb	   *context = jo_json_object(enter, "context");

	if (has_member(element, "payload"))
		refuse(element, "has a \"payload\", which an \"enter\" does not take");
	given->kind = JO_EVENT_KIND_COMMAND;
	given->name = JO_COMMAND_ENTER;
	given->payload = jo_json_put_string(NULL, "journey",
										element->population->journey);
	given->payload = jo_jsonb_put(given->payload, "context", context != NULL ?
								  context : jo_jsonb_empty());
	given->payload = jo_json_put_string(given->payload, "key",
										jo_json_string(enter, "key"));
}

static void
read_event(const Element *element, JoGivenEvent *given)
{
	given->kind = JO_EVENT_KIND_EVENT;
	given->name = string_member(element, "event");
	given->payload = object_member(element, "payload");
	if (given->name == NULL)
		refuse(element, "has neither \"event\" nor \"enter\"");
	if (given->name[0] == '\0' || given->name[0] == '$' ||
		strlen(given->name) > JO_EVENT_NAME_BYTES)
		refuse(element, psprintf("has event \"%s\", which is no name of an event",
								 jo_clipped(given->name)));
}

/* Reports that the customer himself causes; the others are the relay's. */
static bool
is_reaction(const char *name)
{
	static const char *const relays[] = {
		"message.sent", "message.failed", "message.deferred", "message.expired"
	};

	if (name == NULL || strncmp(name, "message.", strlen("message.")) != 0 ||
		strlen(name) > JO_EVENT_NAME_BYTES)
		return false;
	for (int i = 0; i < lengthof(relays); i++)
		if (strcmp(name, relays[i]) == 0)
			return false;
	return true;
}

/* What the customer does with messages of step "of". */
static void
read_reaction(const Element *element, JoGivenEvent *given)
{
	JoReaction *reaction = palloc0(sizeof(JoReaction));
	char	   *after = string_member(element, "after");

	reaction->step = string_member(element, "of");
	reaction->name = string_member(element, "event");
	reaction->detail = object_member(element, "payload");
	if (!is_reaction(reaction->name))
		refuse(element, "has an \"of\", and no \"event\" such as \"message.opened\"");
	if (has_member(element, "at") || has_member(element, "enter"))
		refuse(element, "has both \"of\" and \"at\" or \"enter\"");
	reaction->after = read_interval(after != NULL ? after : "0");
	given->at = element->population->since;
	if (add_interval(given->at, reaction->after) < given->at)
		refuse(element, "comes before the message that it is about");
	given->reaction = reaction;
}

static JoGivenEvent *
read_element(const Element *element)
{
	JoGivenEvent *given = palloc0(sizeof(JoGivenEvent));

	ensure_known_members(element);
	given->customer_id = string_member(element, "customer");
	if (has_member(element, "of"))
	{
		read_reaction(element, given);
		return given;
	}
	given->at = read_instant(element);
	if (!has_member(element, "enter"))
		read_event(element, given);
	else if (has_member(element, "event"))
		refuse(element, "has both \"event\" and \"enter\"");
	else
		read_enter(element, given);
	return given;
}

/* Put it behind all that happen at its instant or before. */
static List *
insert_in_order(List *list, JoGivenEvent *given)
{
	int			place = list_length(list);

	while (place > 0 &&
		   ((JoGivenEvent *) list_nth(list, place - 1))->at > given->at)
		place--;
	return list_insert_nth(list, place, given);
}

List *
jo_given_merge(List *first, List *second)
{
	ListCell   *cell;

	foreach(cell, second)
		first = insert_in_order(first, lfirst(cell));
	list_free(second);
	return first;
}

List *
jo_given_read(const JoPopulation *population, Jsonb *array,
			  const char *argument)
{
	List	   *result = NIL;
	Element		element = {population, argument, 0, NULL};
	int			n;

	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a JSON array", argument),
				 errhint("Write [{\"event\": \"order_placed\", \"after\": \"2 days\"}].")));
	n = JsonContainerSize(&array->root);
	for (; element.number < n; element.number++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&array->root,
														  element.number);

		if (value->type != jbvBinary ||
			!JsonContainerIsObject(value->val.binary.data))
			refuse(&element, "is no object");
		element.object = JsonbValueToJsonb(value);
		result = insert_in_order(result, read_element(&element));
	}
	return result;
}

/* Append those of the events that are this subject's. */
void
jo_given_add(JoSubject *subject, const List *given)
{
	ListCell   *cell;

	foreach(cell, given)
	{
		const JoGivenEvent *one = lfirst(cell);
		JoEvent    *event;

		if (one->customer_id != NULL &&
			strcmp(one->customer_id, subject->profile.customer_id) != 0)
			continue;
		if (one->reaction != NULL)
		{
			subject->reactions = lappend(subject->reactions, one->reaction);
			continue;
		}
		event = palloc0(sizeof(JoEvent));
		event->kind = one->kind;
		event->name = one->name;
		event->instant = one->at;
		event->payload = one->payload;
		jo_subject_add_event(subject, event);
	}
}
