/*
 * permission/scope.c
 *	  Reads the scope of a rule and asks whether it covers a message.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "core/errors.h"
#include "permission/scope.h"

#define DEFAULT_CLASSES \
	((1 << JO_CLASS_MARKETING) | (1 << JO_CLASS_SERVICE))

static void
raise_invalid(const char *what, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 value != NULL ?
			 errmsg("%s \"%s\" of a scope is not known", what,
					jo_clipped(value)) :
			 errmsg("%s", what),
			 errhint("%s", hint)));
}

/* A string or an array of strings, as a list of char *. */
static List *
read_names(const char *key, JsonbValue *value)
{
	List	   *names = NIL;

	if (value->type == jbvString && value->val.string.len > 0)
		return list_make1(pnstrdup(value->val.string.val,
								   value->val.string.len));
	if (value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data))
	{
		uint32		n = JsonContainerSize(value->val.binary.data);

		for (uint32 i = 0; i < n; i++)
		{
			JsonbValue *element =
			getIthJsonbValueFromContainer(value->val.binary.data, i);

			if (element->type != jbvString || element->val.string.len == 0)
				break;
			names = lappend(names, pnstrdup(element->val.string.val,
											element->val.string.len));
		}
		if (n > 0 && list_length(names) == n)
			return names;
	}
	raise_invalid(psprintf("\"%s\" of a scope must be a name or an array of names", key),
				  NULL, "Leave a member out where it does not matter.");
	return NIL;
}

/* The classes as bits; legal is refused, because no rule stops it. */
static uint32
read_classes(JsonbValue *value)
{
	uint32		classes = 0;
	ListCell   *cell;

	foreach(cell, read_names("class", value))
	{
		const char *name = lfirst(cell);
		int			class = 0;

		while (class < JO_CLASS_LEGAL &&
			   strcmp(jo_topic_class_name(class), name) != 0)
			class++;
		if (class >= JO_CLASS_LEGAL)
			raise_invalid("class", name,
						  "It is one of marketing, transactional and service; nothing stops a legal message.");
		classes |= ((uint32) 1) << class;
	}
	return classes;
}

void
jo_scope_read(Jsonb *object, JoRuleScope *scope)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	member;

	memset(scope, 0, sizeof(*scope));
	scope->classes = DEFAULT_CLASSES;
	if (!JB_ROOT_IS_OBJECT(object))
		raise_invalid("a scope must be a JSON object", NULL,
					  "{} means every message.");

	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(member.val.string.val, member.val.string.len);
		(void) JsonbIteratorNext(&iterator, &member, true);
		if (strcmp(key, "channel") == 0)
			scope->channels = read_names(key, &member);
		else if (strcmp(key, "topic") == 0)
			scope->topics = read_names(key, &member);
		else if (strcmp(key, "journey") == 0)
			scope->journeys = read_names(key, &member);
		else if (strcmp(key, "class") == 0)
			scope->classes = read_classes(&member);
		else
			raise_invalid("member", key,
						  "A scope has any of channel, topic, class and journey.");
	}
}

static bool
names_include(List *names, const char *name)
{
	ListCell   *cell;

	if (names == NIL)
		return true;
	if (name == NULL)
		return false;
	foreach(cell, names)
	{
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

bool
jo_scope_covers(const JoRuleScope *scope, const char *channel,
				const char *topic, const char *journey)
{
	return names_include(scope->channels, channel) &&
		names_include(scope->topics, topic) &&
		names_include(scope->journeys, journey) &&
		(scope->classes & (((uint32) 1) << jo_topic_class(topic))) != 0;
}

bool
jo_scope_is_of_one_channel(const JoRuleScope *scope)
{
	return list_length(scope->channels) == 1;
}

bool
jo_scope_has_channel(const JoRuleScope *scope, const char *channel)
{
	return names_include(scope->channels, channel);
}

Jsonb *
jo_scope_argument(Datum value)
{
	Jsonb	   *object = DatumGetJsonbP(value);
	JoRuleScope ignored;

	jo_scope_read(object, &ignored);
	return object;
}
