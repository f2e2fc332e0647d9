/*
 * journey/schema_check.c
 *	  Walks a definition along the grammar and says what does not fit.
 *
 * Two modes share the code: loud (findings are added) and quiet (findings is
 * NULL; only the answer counts), which is how the alternatives of a "oneOf"
 * are tried.  When none fits, schema_explain.c finds the one that was meant.
 * The recursion is as deep as schema.json, never as deep as the author's JSON.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "journey/schema_tree.h"

static bool
check_count(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			JoFindings *findings)
{
	int			n = JsonContainerSize(value->val.binary.data);

	if (n >= schema->min_count && n <= schema->max_count)
		return true;
	if (findings && schema->max_count == PG_INT32_MAX)
		jo_finding_add(findings, JO_FINDING_WRONG_COUNT, path,
					   psprintf("It must have at least %d.", schema->min_count),
					   "has %d members", n);
	else if (findings)
		jo_finding_add(findings, JO_FINDING_WRONG_COUNT, path,
					   psprintf("It must have %d to %d.",
								schema->min_count, schema->max_count),
					   "has %d members", n);
	return false;
}

static bool
check_array(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			JoFindings *findings)
{
	JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	element;
	JsonbValue *seen = NULL;
	JoPath		here = {path, NULL, 0, -1};
	bool		passes = check_count(schema, value, path, findings);

	/* Nothing is compared in a list that is too long already. */
	if (schema->is_unique && passes)
		seen = palloc(sizeof(JsonbValue) * (JsonContainerSize(value->val.binary.data) + 1));

	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		here.index++;
		for (int i = 0; seen != NULL && i < here.index; i++)
		{
			if (!jo_schema_words_equal(&seen[i], &element))
				continue;
			passes = false;
			if (findings)
				jo_finding_add(findings, JO_FINDING_DUPLICATE, &here, NULL,
							   "%s is named twice", jo_json_text(&element));
			break;
		}
		if (seen != NULL)
			seen[here.index] = element;
		if (schema->items != NULL &&
			!jo_schema_walk(schema->items, &element, &here, findings))
			passes = false;
		if (!passes && !findings)
			return false;
	}
	return passes;
}

const JoSchema *
jo_schema_property(const JoSchema *schema, const JsonbValue *key)
{
	for (int i = 0; i < schema->nproperties; i++)
	{
		const char *name = schema->property_names[i];

		if (strlen(name) == key->val.string.len &&
			memcmp(name, key->val.string.val, key->val.string.len) == 0)
			return schema->properties[i];
	}
	return schema->additional;
}

static void
add_unknown_key(const JoSchema *schema, JsonbValue *key, const JoPath *path,
				JoFindings *findings)
{
	StringInfoData hint;
	const char *closest = jo_closest(key->val.string.val, key->val.string.len,
									 (const char *const *) schema->property_names,
									 schema->nproperties);

	initStringInfo(&hint);
	if (closest)
		appendStringInfo(&hint, "Perhaps you mean \"%s\".", closest);
	else
	{
		appendStringInfoString(&hint, "Known here:");
		for (int i = 0; i < schema->nproperties; i++)
			appendStringInfo(&hint, "%s %s", i > 0 ? "," : "",
							 schema->property_names[i]);
		appendStringInfoChar(&hint, '.');
	}
	jo_finding_add(findings, JO_FINDING_UNKNOWN_KEY, path, hint.data,
				   "key %s is not known here", jo_json_text(key));
}

bool
jo_schema_has_key(JsonbValue *object, const char *key)
{
	JsonbValue	ignored;

	return getKeyJsonValueFromContainer(object->val.binary.data, key,
										strlen(key), &ignored) != NULL;
}

static bool
check_required(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			   JoFindings *findings)
{
	bool		passes = true;

	for (int i = 0; i < schema->nrequired; i++)
	{
		if (jo_schema_has_key(value, schema->required[i]))
			continue;
		passes = false;
		if (!findings)
			break;
		jo_finding_add(findings, JO_FINDING_MISSING_KEY, path, NULL,
					   "key \"%s\" is missing", schema->required[i]);
	}
	return passes;
}

static bool
check_object(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			 JoFindings *findings)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key = {0};
	JsonbValue	member;
	JoPath		here = {path, NULL, 0, 0};
	bool		passes;

	passes = check_required(schema, value, path, findings);
	if (!passes && !findings)
		return false;
	if (!check_count(schema, value, path, findings))
		passes = false;
	if (schema->nproperties == 0 && !schema->additional && !schema->names &&
		!schema->is_closed)
		return passes;

	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		const JoSchema *found;

		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
			key = member;
		if (token != WJB_VALUE)
			continue;
		here.key = key.val.string.val;
		here.key_length = key.val.string.len;
		if (schema->names && !jo_schema_walk(schema->names, &key, &here, findings))
			passes = false;
		found = jo_schema_property(schema, &key);
		if (found && !jo_schema_walk(found, &member, &here, findings))
			passes = false;
		if (!found && schema->is_closed)
		{
			passes = false;
			if (findings)
				add_unknown_key(schema, &key, &here, findings);
		}
		if (!passes && !findings)
			return false;
	}
	return passes;
}

/* "anyOf" holds alternatives of required keys only. */
static bool
check_any(const JoSchema *schema, JsonbValue *value, const JoPath *path,
		  JoFindings *findings)
{
	StringInfoData keys;

	for (int i = 0; i < schema->nany; i++)
	{
		if (jo_schema_walk(schema->any_of[i], value, path, NULL))
			return true;
	}
	if (!findings)
		return false;

	initStringInfo(&keys);
	for (int i = 0; i < schema->nany; i++)
		appendStringInfo(&keys, "%s\"%s\"", i > 0 ? " or " : "",
						 schema->any_of[i]->required[0]);
	jo_finding_add(findings, JO_FINDING_MISSING_KEY, path, NULL,
				   "key %s is missing", keys.data);
	return false;
}

static bool
check_alternatives(const JoSchema *schema, JsonbValue *value,
				   const JoPath *path, JoFindings *findings)
{
	const JoSchema *passing = NULL;
	int			n = 0;

	for (int i = 0; i < schema->nalternatives; i++)
	{
		if (!jo_schema_walk(schema->alternatives[i], value, path, NULL))
			continue;
		passing = schema->alternatives[i];
		n++;
	}
	if (n == 1)
	{
		/* Once more, for what is not built in it. */
		if (findings)
			(void) jo_schema_walk(passing, value, path, findings);
		return true;
	}
	if (findings && n == 0)
		jo_schema_explain(schema, value, path, findings);
	else if (findings)
		jo_finding_add(findings, JO_FINDING_WRONG_FORM, path, NULL,
					   "value is of several forms at once");
	return false;
}

static void
add_not_built(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			  JoFindings *findings)
{
	char	   *key = jo_path_last_key(path);
	StringInfoData what;

	initStringInfo(&what);
	if (schema->title)
		appendStringInfo(&what, "\"%s\"", schema->title);
	else
	{
		appendStringInfo(&what, "\"%s\"", key ? key : "form");
		if (value->type == jbvString || value->type == jbvBool)
			appendStringInfo(&what, ": %s", jo_json_text(value));
	}
	jo_finding_add(findings, JO_FINDING_NOT_BUILT, path, NULL,
				   "%s is not built in this release", what.data);
}

static bool
check_one(const JoSchema *schema, JsonbValue *value, const JoPath *path,
		  JoFindings *findings)
{
	JoJsonKind	kind = jo_json_kind(value);
	bool		passes = true;

	if (!(schema->accepts & kind))
	{
		if (findings)
			jo_finding_add(findings, JO_FINDING_WRONG_TYPE, path,
						   jo_schema_description(schema),
						   "must be %s, not %s", jo_json_kinds_text(schema->accepts),
						   jo_json_kind_name(kind));
		return false;
	}
	if (schema->ref)
		passes = jo_schema_walk(schema->ref, value, path, findings);
	if (schema->nwords > 0 && !jo_schema_has_word(schema, value))
	{
		StringInfoData words;

		if (!findings)
			return false;
		initStringInfo(&words);
		jo_schema_append_words(&words, schema);
		jo_finding_add(findings, JO_FINDING_WRONG_VALUE, path,
					   psprintf("It must be %s%s.", schema->nwords > 1 ? "one of " : "", words.data),
					   "%s is not known here", jo_json_text(value));
		return false;
	}
	if (schema->nalternatives > 0)
		passes = check_alternatives(schema, value, path, findings) && passes;
	if (schema->nany > 0)
		passes = check_any(schema, value, path, findings) && passes;
	if (!passes && !findings)
		return false;

	if (kind == JO_JSON_STRING)
		passes = jo_schema_check_string(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_NUMBER)
		passes = jo_schema_check_number(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_ARRAY)
		passes = check_array(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_OBJECT)
		passes = check_object(schema, value, path, findings) && passes;
	return passes;
}

/* Of something that is not built only the outermost part is reported, and only
 * when it is well-formed. */
bool
jo_schema_walk(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			   JoFindings *findings)
{
	bool		passes;

	if (!findings || !schema->is_not_built)
		return check_one(schema, value, path, findings);

	findings->inside_not_built++;
	passes = check_one(schema, value, path, findings);
	findings->inside_not_built--;
	if (passes && findings->inside_not_built == 0)
		add_not_built(schema, value, path, findings);
	return passes;
}

void
jo_schema_check(JsonbValue *value, JoFindings *findings)
{
	(void) jo_schema_walk(jo_schema_root(), value, NULL, findings);
}
