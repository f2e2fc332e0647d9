/*
 * journey/schema_check.c
 *	  Walks a definition along the grammar and says what does not fit.
 *
 * Two modes share the code: loud (findings are added) and quiet (findings is
 * NULL; only the answer counts), which is how the alternatives of a "oneOf"
 * are tried.  When none fits, the one that the author most likely meant is
 * walked loudly: the step whose verb is there, the entry whose keys are
 * there.  The recursion is as deep as schema.json, never as deep as the
 * author's JSON.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "journey/schema_tree.h"

static bool check(const JoSchema *schema, JsonbValue *value,
				  const JoPath *path, JoFindings *findings);

static const char *
kind_name(JoJsonKind kind)
{
	switch (kind)
	{
		case JO_JSON_NULL:
			return "null";
		case JO_JSON_BOOLEAN:
			return "a boolean";
		case JO_JSON_NUMBER:
			return "a number";
		case JO_JSON_STRING:
			return "a string";
		case JO_JSON_ARRAY:
			return "an array";
		case JO_JSON_OBJECT:
			return "an object";
	}
	return "?";
}

/* "a string or an object" */
static char *
kinds_text(int kinds)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int kind = JO_JSON_NULL; kind <= JO_JSON_OBJECT; kind <<= 1)
	{
		if (kinds & kind)
			appendStringInfo(&out, "%s%s", out.len > 0 ? " or " : "",
							 kind_name(kind));
	}
	return out.data;
}

static bool
words_equal(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvNull:
			return true;
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvString:
			return a->val.string.len == b->val.string.len &&
				memcmp(a->val.string.val, b->val.string.val,
					   a->val.string.len) == 0;
		case jbvNumeric:
			return DatumGetBool(DirectFunctionCall2(numeric_eq,
													NumericGetDatum(a->val.numeric),
													NumericGetDatum(b->val.numeric)));
		default:
			return false;		/* the grammar has only scalar words */
	}
}

static bool
has_word(const JoSchema *schema, const JsonbValue *value)
{
	for (int i = 0; i < schema->nwords; i++)
	{
		if (words_equal(&schema->words[i], value))
			return true;
	}
	return false;
}

static void
append_words(StringInfo out, const JoSchema *schema)
{
	for (int i = 0; i < schema->nwords; i++)
	{
		const JsonbValue *word = &schema->words[i];

		appendStringInfoString(out, out->len > 0 ? ", " : "");
		if (word->type == jbvString)
			appendStringInfo(out, "\"%.*s\"", word->val.string.len, word->val.string.val);
		else if (word->type == jbvBool)
			appendStringInfoString(out, word->val.boolean ? "true" : "false");
		else
			elog(ERROR, "schema.json has a word of type %d", (int) word->type);
	}
}

/* A value as a message shows it: short, and on one line. */
static char *
value_text(const JsonbValue *value)
{
	if (value->type == jbvString)
	{
		int			length = pg_mbcliplen(value->val.string.val,
										  value->val.string.len, 60);
		char	   *text = pnstrdup(value->val.string.val, length);

		for (char *c = text; *c; c++)
		{
			if ((unsigned char) *c < ' ')
				*c = ' ';
		}
		return psprintf("\"%s%s\"", text,
						length < value->val.string.len ? "…" : "");
	}
	if (value->type == jbvBool)
		return value->val.boolean ? "true" : "false";
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	return pstrdup(kind_name(jo_json_kind(value)));
}

/* What a value is for, as the hint of one that has the wrong type. */
static const char *
description_of(const JoSchema *schema)
{
	if (schema->description == NULL && schema->ref != NULL)
		return description_of(schema->ref);
	return schema->description;
}

static bool
check_string(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			 JoFindings *findings)
{
	int			length;

	if (schema->pattern != NULL &&
		!RE_compile_and_execute(schema->pattern, value->val.string.val,
								value->val.string.len, REG_ADVANCED,
								C_COLLATION_OID, 0, NULL))
	{
		if (findings)
			jo_finding_add(findings, JO_FINDING_BAD_NAME, path,
						   psprintf("It must match %s.",
									text_to_cstring(schema->pattern)),
						   "%s is not well written", value_text(value));
		return false;
	}
	if (schema->min_length == 0 && schema->max_length == PG_INT32_MAX)
		return true;
	length = pg_mbstrlen_with_len(value->val.string.val, value->val.string.len);
	if (length >= schema->min_length && length <= schema->max_length)
		return true;
	if (findings)
		jo_finding_add(findings, JO_FINDING_WRONG_LENGTH, path,
					   psprintf("It has %d to %d characters.",
								schema->min_length, schema->max_length),
					   "text has %d characters", length);
	return false;
}

static bool
check_number(const JoSchema *schema, JsonbValue *value, const JoPath *path,
			 JoFindings *findings)
{
	/* As any reader of JSON sees it: a double. */
	double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															NumericGetDatum(value->val.numeric)));

	if (schema->is_integer && number != rint(number))
	{
		if (findings)
			jo_finding_add(findings, JO_FINDING_WRONG_TYPE, path,
						   description_of(schema),
						   "must be an integer, not %s", value_text(value));
		return false;
	}
	if (number < schema->minimum || number > schema->maximum ||
		(schema->excludes_minimum && number == schema->minimum))
	{
		char	   *hint;

		if (schema->excludes_minimum)
			hint = psprintf("It must be greater than %.15g and at most %.15g.",
							schema->minimum, schema->maximum);
		else
			hint = psprintf("It must be at least %.15g and at most %.15g.",
							schema->minimum, schema->maximum);
		if (findings)
			jo_finding_add(findings, JO_FINDING_OUT_OF_RANGE, path, hint,
						   "%s is out of range", value_text(value));
		return false;
	}
	return true;
}

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
			if (!words_equal(&seen[i], &element))
				continue;
			passes = false;
			if (findings)
				jo_finding_add(findings, JO_FINDING_DUPLICATE, &here, NULL,
							   "%s is named twice", value_text(&element));
			break;
		}
		if (seen != NULL)
			seen[here.index] = element;
		if (schema->items != NULL &&
			!check(schema->items, &element, &here, findings))
			passes = false;
		if (!passes && !findings)
			return false;
	}
	return passes;
}

/* The schema of a member, or NULL when its name is not known. */
static const JoSchema *
property_schema(const JoSchema *schema, const JsonbValue *key)
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
				   "key %s is not known here", value_text(key));
}

static bool
has_key(JsonbValue *object, const char *key)
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
		if (has_key(value, schema->required[i]))
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
		if (schema->names && !check(schema->names, &key, &here, findings))
			passes = false;
		found = property_schema(schema, &key);
		if (found && !check(found, &member, &here, findings))
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
		if (check(schema->any_of[i], value, path, NULL))
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

/* Alternatives are told apart by their first required key: the verb of a step. */
static const char *
distinctive_key(const JoSchema *alternative)
{
	if (alternative->ref)
		return distinctive_key(alternative->ref);
	return alternative->nrequired > 0 ? alternative->required[0] : NULL;
}

/* How well the keys of an object fit: those required that are there count
 * most, those unknown count against it. */
static int
fitness(const JoSchema *alternative, JsonbValue *object)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	int			result = 0;

	while (alternative->ref)
		alternative = alternative->ref;
	for (int i = 0; i < alternative->nrequired; i++)
		result += has_key(object, alternative->required[i]) ? 4 : 0;
	iterator = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && property_schema(alternative, &key) == NULL)
			result--;
	}
	return result;
}

/* A step without a verb, or with several.  False when it has exactly one. */
static bool
explain_verbs(const JoSchema *schema, JsonbValue *object, const JoPath *path,
			  JoFindings *findings)
{
	const char **verbs = palloc(sizeof(char *) * schema->nalternatives);
	StringInfoData present;
	int			n = 0;

	initStringInfo(&present);
	for (int i = 0; i < schema->nalternatives; i++)
	{
		verbs[i] = distinctive_key(schema->alternatives[i]);
		if (!has_key(object, verbs[i]))
			continue;
		appendStringInfo(&present, "%s\"%s\"", n++ > 0 ? " and " : "", verbs[i]);
	}
	if (n == 1)
		return false;
	if (n > 1)
		jo_finding_add(findings, JO_FINDING_TWO_VERBS, path, NULL,
					   "step has the verbs %s", present.data);
	else
	{
		JsonbIterator *iterator = JsonbIteratorInit(object->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue	key;
		const char *closest = NULL;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		{
			if (token == WJB_KEY && closest == NULL)
				closest = jo_closest(key.val.string.val, key.val.string.len,
									 verbs, schema->nalternatives);
		}
		jo_finding_add(findings, JO_FINDING_NO_VERB, path,
					   closest ? psprintf("Perhaps you mean \"%s\".", closest) : NULL,
					   "step has no verb");
	}
	return true;
}

/* No alternative passed: walk the one that was meant. */
static void
explain(const JoSchema *schema, JsonbValue *value, const JoPath *path,
		JoFindings *findings)
{
	JoJsonKind	kind = jo_json_kind(value);
	const JoSchema *best = NULL;
	int			best_fitness = 0;
	StringInfoData words;

	if (kind == JO_JSON_OBJECT && schema->name && strcmp(schema->name, "step") == 0 &&
		explain_verbs(schema, value, path, findings))
		return;

	initStringInfo(&words);
	for (int i = 0; i < schema->nalternatives; i++)
	{
		const JoSchema *alternative = schema->alternatives[i];
		const char *key = distinctive_key(alternative);
		int			fit;

		if (!(alternative->accepts & kind))
			continue;
		append_words(&words, alternative);
		if (kind == JO_JSON_OBJECT && key != NULL && !has_key(value, key))
			continue;
		fit = kind == JO_JSON_OBJECT ? fitness(alternative, value) : 0;
		if (best == NULL || fit > best_fitness)
		{
			best = alternative;
			best_fitness = fit;
		}
	}
	if (words.len > 0)
		jo_finding_add(findings, JO_FINDING_WRONG_VALUE, path,
					   psprintf("It must be one of %s, or another form of the grammar.", words.data),
					   "%s is not known here", value_text(value));
	else if (best != NULL)
		(void) check(best, value, path, findings);
	else
	{
		StringInfoData forms;
		const char *previous = "";

		initStringInfo(&forms);
		for (int i = 0; i < schema->nalternatives; i++)
		{
			const char *key = distinctive_key(schema->alternatives[i]);

			if (key && strcmp(key, previous) != 0)
				appendStringInfo(&forms, "%s\"%s\"", forms.len > 0 ? ", " : "", key);
			previous = key ? key : "";
		}
		jo_finding_add(findings, JO_FINDING_WRONG_FORM, path,
					   psprintf("It must have one of the keys %s.", forms.data),
					   "object is none of the forms of the grammar");
	}
}

static bool
check_alternatives(const JoSchema *schema, JsonbValue *value,
				   const JoPath *path, JoFindings *findings)
{
	const JoSchema *passing = NULL;
	int			n = 0;

	for (int i = 0; i < schema->nalternatives; i++)
	{
		if (!check(schema->alternatives[i], value, path, NULL))
			continue;
		passing = schema->alternatives[i];
		n++;
	}
	if (n == 1)
	{
		/* Once more, for what is not built in it. */
		if (findings)
			(void) check(passing, value, path, findings);
		return true;
	}
	if (findings && n == 0)
		explain(schema, value, path, findings);
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
			appendStringInfo(&what, ": %s", value_text(value));
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
						   description_of(schema),
						   "must be %s, not %s", kinds_text(schema->accepts),
						   kind_name(kind));
		return false;
	}
	if (schema->ref)
		passes = check(schema->ref, value, path, findings);
	if (schema->nwords > 0 && !has_word(schema, value))
	{
		StringInfoData words;

		if (!findings)
			return false;
		initStringInfo(&words);
		append_words(&words, schema);
		jo_finding_add(findings, JO_FINDING_WRONG_VALUE, path,
					   psprintf("It must be %s%s.", schema->nwords > 1 ? "one of " : "", words.data),
					   "%s is not known here", value_text(value));
		return false;
	}
	if (schema->nalternatives > 0)
		passes = check_alternatives(schema, value, path, findings) && passes;
	if (schema->nany > 0)
		passes = check_any(schema, value, path, findings) && passes;
	if (!passes && !findings)
		return false;

	if (kind == JO_JSON_STRING)
		passes = check_string(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_NUMBER)
		passes = check_number(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_ARRAY)
		passes = check_array(schema, value, path, findings) && passes;
	else if (kind == JO_JSON_OBJECT)
		passes = check_object(schema, value, path, findings) && passes;
	return passes;
}

/*
 * True when "value" fits.  Of something that is not built only the outermost
 * part is reported, and only when it is well-formed.
 */
static bool
check(const JoSchema *schema, JsonbValue *value, const JoPath *path,
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
	(void) check(jo_schema_root(), value, NULL, findings);
}
