/*
 * content/set_template.c
 *	  set_template(): declares a template of one channel and locale.
 *
 * The caller becomes the owner of the new version: its holes run with his
 * rights.  A version never changes; a different content is a new version, and
 * the same content is none.  The channel need not exist yet: that is checked
 * where a journey that sends on it is published.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "content/template.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_set_template);

/* As long as a label of a definition may be. */
#define NAME_BYTES 200

JoTemplateGuard jo_template_guard = NULL;

/* Arguments of the function, in order. */
enum
{
	ARG_NAME,
	ARG_CHANNEL,
	ARG_BODY,
	ARG_SUBJECT,
	ARG_HTML,
	ARG_LOCALE,
	ARG_HEADERS
};

static void
ensure_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "set_template")));
}

static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Text argument that must be there, not be empty and fit into an index. */
static char *
required_name(FunctionCallInfo fcinfo, int argument, const char *name)
{
	char	   *value;

	ensure_argument(fcinfo, argument, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must not be empty",
						name, "set_template")));
	if (strlen(value) > NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() is longer than %d bytes",
						name, "set_template", NAME_BYTES)));
	return value;
}

/* True for a field name of RFC 5322 that is also a token of RFC 9110. */
static bool
is_header_name(const char *name)
{
	size_t		length = strlen(name);

	return length > 0 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789!#$%&'*+-.^_`|~") == length;
}

/* Raise unless "headers" is an object of strings under names of headers. */
static void
ensure_headers(Jsonb *headers)
{
	JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(headers))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("headers of a template must be an object"),
				 errhint("Write them as {\"Reply-To\": \"shop@example.com\"}.")));

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = pnstrdup(value.val.string.val, value.val.string.len);
			if (!is_header_name(name))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("\"%s\" is not a valid name of a header",
								jo_clipped(name)),
						 errhint("Use letters, digits and hyphens.")));
		}
		else if (token == WJB_VALUE && value.type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("header \"%s\" of a template must be a string",
							jo_clipped(name))));
	}
}

/* Raise what the compiler found, pointing into the part. */
static void
raise_finding(const JoTemplateRow *row, const JoTemplateFinding *finding)
{
	const JoError *error = finding->error;
	const char *s = error->sqlstate;

	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])),
			 errmsg("%s of template \"%s\": %s", finding->part, row->name, error->message),
			 finding->hole == NULL ? 0 :
			 error->position > 0 ?
			 errdetail("Character %d of the %s, character %d of hole {{ %s }}.%s%s",
					   finding->position, finding->part, error->position, finding->hole,
					   error->detail != NULL ? " " : "",
					   error->detail != NULL ? error->detail : "") :
			 errdetail("Character %d of the %s, hole {{ %s }}.%s%s",
					   finding->position, finding->part, finding->hole,
					   error->detail != NULL ? " " : "",
					   error->detail != NULL ? error->detail : ""),
			 error->hint != NULL ? errhint("%s", error->hint) : 0,
			 internalerrposition(finding->position),
			 internalerrquery(finding->source)));
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Same content, and an owner who can still run it. */
static bool
is_same_content(const JoTemplateRow *a, const JoTemplateRow *current)
{
	return is_same_text(a->subject, current->subject) &&
		is_same_text(a->body, current->body) &&
		is_same_text(a->html, current->html) &&
		compareJsonbContainers(&a->headers->root, &current->headers->root) == 0 &&
		SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(current->owner));
}

/* The current version at exactly this locale, or NULL. */
static JoTemplateRow *
find_current(const JoTemplateRow *row)
{
	ListCell   *cell;

	foreach(cell, jo_template_read(row->name, row->channel, false))
	{
		JoTemplateRow *other = lfirst(cell);

		if (strcmp(other->locale, row->locale) == 0)
			return other;
	}
	return NULL;
}

static Datum
optional_datum(const char *string, char *is_null)
{
	*is_null = string == NULL ? 'n' : ' ';
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

static void
write_row(const JoTemplateRow *row)
{
	Oid			types[9] = {TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
	TEXTOID, JSONBOID, REGROLEOID};
	Datum		values[9];
	char		nulls[10] = "         ";
	JoRunAs		saved;

	values[0] = CStringGetTextDatum(row->name);
	values[1] = CStringGetTextDatum(row->channel);
	values[2] = CStringGetTextDatum(row->locale);
	values[3] = Int32GetDatum(row->version);
	values[4] = optional_datum(row->subject, &nulls[4]);
	values[5] = CStringGetTextDatum(row->body);
	values[6] = optional_datum(row->html, &nulls[6]);
	values[7] = JsonbPGetDatum(row->headers);
	values[8] = ObjectIdGetDatum(row->owner);

	jo_run_as_extension(&saved);
	SPI_connect();
	SPI_execute_with_args("INSERT INTO journey_orch.message_template"
						  " (name, channel, locale, version, subject, body, html,"
						  " headers, owner, created_at, created_by)"
						  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp(), session_user)",
						  9, types, values, nulls, false, 0);
	SPI_finish();
	jo_run_as_end(&saved);
	jo_definition_changed("message_template");
}

/*
 * set_template(name, channel, body, subject, html, locale, headers) → the
 * current version, new or not.
 */
Datum
journey_orch_set_template(PG_FUNCTION_ARGS)
{
	JoTemplateRow row;
	JoTemplateRow *current;
	JoTemplateFinding finding;
	JoTemplate *template;

	memset(&row, 0, sizeof(row));
	row.name = required_name(fcinfo, ARG_NAME, "name");
	row.channel = required_name(fcinfo, ARG_CHANNEL, "channel");
	ensure_argument(fcinfo, ARG_BODY, "body");
	ensure_argument(fcinfo, ARG_HEADERS, "headers");
	row.body = optional_text(fcinfo, ARG_BODY);
	row.subject = optional_text(fcinfo, ARG_SUBJECT);
	row.html = optional_text(fcinfo, ARG_HTML);
	row.headers = PG_GETARG_JSONB_P(ARG_HEADERS);
	row.owner = GetUserId();
	row.locale = jo_locale_canonical(optional_text(fcinfo, ARG_LOCALE));
	if (row.locale == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid locale \"%s\"",
						jo_clipped(optional_text(fcinfo, ARG_LOCALE))),
				 errhint("Write a language, or language and region, such as fr or fr-CA.")));
	ensure_headers(row.headers);
	template = jo_template_compile(&row, &finding);
	if (template == NULL)
		raise_finding(&row, &finding);
	if (jo_template_guard != NULL)
		jo_template_guard(row.name, row.channel, template);
	jo_leaf_ensure();

	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("template %s %s", row.name, row.channel)));
	current = find_current(&row);
	if (current != NULL && is_same_content(&row, current))
		PG_RETURN_INT32(current->version);

	row.version = current != NULL ? current->version + 1 : 1;
	write_row(&row);
	if (row.version > 1)
		ereport(NOTICE,
				(errmsg("template \"%s\" of channel \"%s\" is now at version %d",
						row.name, row.channel, row.version)));
	PG_RETURN_INT32(row.version);
}
