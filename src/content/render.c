/*
 * content/render.c
 *	  Renders a template for a group of runs.
 *
 * Hole by hole, each for the whole group (jo_expression_evaluate, as the
 * template's owner), then message by message.  A run whose hole raises leaves
 * the group with its error; the others go on.  NULL and the JSON null are the
 * empty string.
 *
 * Output functions run as the owner and under the same settings as the
 * expressions do (UTC, ISO dates, search_path, and so on), so a value is
 * written alike in every session.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "content/template.h"
#include "core/run_as.h"

/* A hole's value for one run; length 0 for NULL. */
typedef struct HoleValue
{
	const char *data;
	int			length;
} HoleValue;

/* ---- values ---- */

static HoleValue
string_value(const char *string)
{
	HoleValue	value = {string, strlen(string)};

	return value;
}

/* A json value: scalars unquoted.  A string that cannot be a text (\u0000)
 * stays as it is written. */
static HoleValue
json_value(Datum datum)
{
	char	   *string = TextDatumGetCString(datum);
	JsonLexContext *lex = makeJsonLexContextCstringLen(string, strlen(string),
													   GetDatabaseEncoding(), true);

	if (json_lex(lex) == JSON_SUCCESS)
	{
		if (lex->token_type == JSON_TOKEN_STRING)
			return string_value(lex->strval->data);
		if (lex->token_type == JSON_TOKEN_NULL)
			return string_value("");
	}
	return string_value(string);
}

static HoleValue
jsonb_value(Datum datum)
{
	Jsonb	   *json = DatumGetJsonbP(datum);
	JsonbValue	scalar;

	if (JsonbExtractScalar(&json->root, &scalar))
	{
		if (scalar.type == jbvString)
		{
			HoleValue	value = {scalar.val.string.val, scalar.val.string.len};

			return value;
		}
		if (scalar.type == jbvNull)
			return string_value("");
	}
	return string_value(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* The value as text, in CurrentMemoryContext. */
static HoleValue
text_of_value(JoHole *hole, Datum datum)
{
	HoleValue	value;
	text	   *string;

	switch (hole->form)
	{
		case JO_VALUE_TEXT:
		case JO_VALUE_BPCHAR:
			string = DatumGetTextPP(datum);
			value.data = VARDATA_ANY(string);
			value.length = VARSIZE_ANY_EXHDR(string);
			while (hole->form == JO_VALUE_BPCHAR && value.length > 0 &&
				   value.data[value.length - 1] == ' ')
				value.length--;
			return value;
		case JO_VALUE_BOOL:
			return string_value(DatumGetBool(datum) ? "true" : "false");
		case JO_VALUE_JSON:
			return json_value(datum);
		case JO_VALUE_JSONB:
			return jsonb_value(datum);
		default:
			return string_value(OutputFunctionCall(&hole->output, datum));
	}
}

/* ---- holes ---- */

static char *
copy_string(const char *string)
{
	return string == NULL ? NULL : pstrdup(string);
}

/* Copy of an error in CurrentMemoryContext. */
static JoError *
copy_error(const JoError *error)
{
	JoError    *copy = palloc(sizeof(JoError));

	*copy = *error;
	copy->message = copy_string(error->message);
	copy->detail = copy_string(error->detail);
	copy->hint = copy_string(error->hint);
	return copy;
}

/* The error of a template whose owner was dropped. */
static JoError *
owner_error(const JoTemplate *template)
{
	JoError    *error = palloc0(sizeof(JoError));

	strcpy(error->sqlstate, unpack_sql_state(ERRCODE_UNDEFINED_OBJECT));
	error->message = psprintf("the owner of the template, role with OID %u, does not exist",
							  template->owner);
	error->hint = pstrdup("Declare the template again with journey_orch.set_template().");
	return error;
}

/*
 * Evaluate all holes; values[hole * n + run].  Runs that raise get their error
 * (in "result_context").
 */
static void
evaluate_holes(JoTemplate *template, int n, const JoVariables *const *rows,
			   HoleValue *values, JoRendered *results,
			   MemoryContext result_context)
{
	const JoVariables **live_rows = palloc(sizeof(JoVariables *) * n);
	int		   *live = palloc(sizeof(int) * n);
	Datum	   *datums = palloc(sizeof(Datum) * n);
	bool	   *isnull = palloc(sizeof(bool) * n);
	JoError   **errors = palloc(sizeof(JoError *) * n);
	int			nlive = n;

	for (int i = 0; i < n; i++)
	{
		live[i] = i;
		live_rows[i] = rows[i];
	}

	for (int h = 0; h < template->nholes && nlive > 0; h++)
	{
		JoHole	   *hole = &template->holes[h];
		int			nleft = 0;

		jo_expression_evaluate(hole->expression, nlive, live_rows,
							   datums, isnull, errors);
		for (int i = 0; i < nlive; i++)
		{
			int			run = live[i];

			if (errors[i] != NULL)
			{
				MemoryContext oldcontext = MemoryContextSwitchTo(result_context);

				results[run].error = copy_error(errors[i]);
				results[run].hole = hole->sql;
				MemoryContextSwitchTo(oldcontext);
				continue;
			}
			values[(Size) h * n + run] = isnull[i] ? string_value("") :
				text_of_value(hole, datums[i]);
			live[nleft] = run;
			live_rows[nleft++] = rows[run];
		}
		nlive = nleft;
	}
}

/* ---- messages ---- */

/* Put one part of one message together in "buffer". */
static void
assemble(const JoPart *part, const HoleValue *values, int n, int run,
		 StringInfo buffer)
{
	resetStringInfo(buffer);
	for (int i = 0; i < part->nslots; i++)
	{
		const JoSlot *slot = &part->slots[i];
		const HoleValue *value;

		if (slot->hole < 0)
		{
			appendBinaryStringInfo(buffer, slot->literal, slot->length);
			continue;
		}
		value = &values[(Size) slot->hole * n + run];
		if (slot->is_raw)
			appendBinaryStringInfo(buffer, value->data, value->length);
		else
			jo_escape_append(buffer, value->data, value->length, part->escape);
	}
	if (part->escape == JO_ESCAPE_LINE)
		buffer->len = jo_escape_fold(buffer->data, buffer->len);
}

/* The part as a string in CurrentMemoryContext; NULL: no such part. */
static char *
render_part(const JoPart *part, const HoleValue *values, int n, int run,
			StringInfo buffer)
{
	if (part == NULL)
		return NULL;
	assemble(part, values, n, run, buffer);
	return pnstrdup(buffer->data, buffer->len);
}

/* The headers as an object in CurrentMemoryContext. */
static Jsonb *
render_headers(const JoTemplate *template, const HoleValue *values, int n,
			   int run, StringInfo buffer)
{
	JsonbParseState *state = NULL;
	JsonbValue	item;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < template->nheaders; i++)
	{
		JoPart	   *part = &template->headers[i];

		item.type = jbvString;
		item.val.string.val = part->name;
		item.val.string.len = strlen(part->name);
		pushJsonbValue(&state, WJB_KEY, &item);
		item.val.string.val = render_part(part, values, n, run, buffer);
		item.val.string.len = strlen(item.val.string.val);
		pushJsonbValue(&state, WJB_VALUE, &item);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
jo_template_render(JoTemplate *template, int n, const JoVariables *const *rows,
				   JoRendered *results)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext work_context;
	HoleValue  *values;
	StringInfoData buffer;

	memset(results, 0, sizeof(JoRendered) * n);
	if (template->error != NULL ||
		!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(template->owner)))
	{
		for (int i = 0; i < n; i++)
		{
			results[i].error = template->error != NULL ?
				copy_error(template->error) : owner_error(template);
			results[i].hole = template->error_hole;
		}
		return;
	}

	work_context = AllocSetContextCreate(result_context, "journey_orch rendering",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work_context);
	values = palloc_extended(sizeof(HoleValue) * Max(1, (Size) n * template->nholes),
							 MCXT_ALLOC_HUGE);
	if (template->nholes > 0)
	{
		JoRunAs		saved;

		jo_run_as_owner(&saved, template->owner);
		jo_expression_pin_settings();
		evaluate_holes(template, n, rows, values, results, result_context);
		jo_run_as_end(&saved);
	}

	initStringInfo(&buffer);
	MemoryContextSwitchTo(result_context);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (results[i].error != NULL)
			continue;
		results[i].subject = render_part(template->subject, values, n, i, &buffer);
		results[i].body = render_part(template->body, values, n, i, &buffer);
		results[i].html = render_part(template->html, values, n, i, &buffer);
		results[i].headers = render_headers(template, values, n, i, &buffer);
	}
	MemoryContextDelete(work_context);
}
