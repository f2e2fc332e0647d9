/*
 * journey/schema_value.c
 *	  What the grammar asks of a single value: text, numbers and fixed words;
 *	  and how messages show values.
 *
 * Nothing here looks into an array or an object (schema_check.c does).
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "journey/schema_tree.h"

const char *
jo_json_kind_name(JoJsonKind kind)
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

char *
jo_json_kinds_text(int kinds)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int kind = JO_JSON_NULL; kind <= JO_JSON_OBJECT; kind <<= 1)
	{
		if (kinds & kind)
			appendStringInfo(&out, "%s%s", out.len > 0 ? " or " : "",
							 jo_json_kind_name(kind));
	}
	return out.data;
}

bool
jo_schema_words_equal(const JsonbValue *a, const JsonbValue *b)
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

bool
jo_schema_has_word(const JoSchema *schema, const JsonbValue *value)
{
	for (int i = 0; i < schema->nwords; i++)
	{
		if (jo_schema_words_equal(&schema->words[i], value))
			return true;
	}
	return false;
}

void
jo_schema_append_words(StringInfo out, const JoSchema *schema)
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

char *
jo_json_text(const JsonbValue *value)
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
	return pstrdup(jo_json_kind_name(jo_json_kind(value)));
}

const char *
jo_schema_description(const JoSchema *schema)
{
	if (schema->description == NULL && schema->ref != NULL)
		return jo_schema_description(schema->ref);
	return schema->description;
}

bool
jo_schema_check_string(const JoSchema *schema, JsonbValue *value, const JoPath *path,
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
						   "%s is not well written", jo_json_text(value));
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

bool
jo_schema_check_number(const JoSchema *schema, JsonbValue *value, const JoPath *path,
					   JoFindings *findings)
{
	/* As any reader of JSON sees it: a double. */
	double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															NumericGetDatum(value->val.numeric)));

	if (schema->is_integer && number != rint(number))
	{
		if (findings)
			jo_finding_add(findings, JO_FINDING_WRONG_TYPE, path,
						   jo_schema_description(schema),
						   "must be an integer, not %s", jo_json_text(value));
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
						   "%s is out of range", jo_json_text(value));
		return false;
	}
	return true;
}
