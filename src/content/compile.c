/*
 * content/compile.c
 *	  From a row of message_template to a JoTemplate.
 *
 * Each distinct expression of a template is compiled and evaluated once, in
 * however many parts it stands: expressions give the same value whenever they
 * are asked (core/expression.h refuses clocks and dice), so subject, text and
 * HTML share it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "audience/audience.h"
#include "content/hole.h"
#include "content/template.h"

typedef struct Compilation
{
	JoTemplate *template;
	JoTemplateFinding *finding;
	JoScope		scope;
	Oid			owner;
	int			room;			/* allocated length of template->holes */
} Compilation;

/* Decide how values of "type" are written. */
static void
choose_form(JoHole *hole, Oid type)
{
	Oid			output;
	bool		is_varlena;

	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
			hole->form = JO_VALUE_TEXT;
			break;
		case BPCHAROID:
			hole->form = JO_VALUE_BPCHAR;
			break;
		case BOOLOID:
			hole->form = JO_VALUE_BOOL;
			break;
		case JSONOID:
			hole->form = JO_VALUE_JSON;
			break;
		case JSONBOID:
			hole->form = JO_VALUE_JSONB;
			break;
		default:
			hole->form = JO_VALUE_OUTPUT;
			getTypeOutputInfo(type, &output, &is_varlena);
			fmgr_info_cxt(output, &hole->output, CurrentMemoryContext);
	}
}

/* Index of the hole with this expression, compiled on first sight; -1 and
 * "*error" set when it does not compile. */
static int
compile_hole(Compilation *compilation, const char *sql, JoError **error)
{
	JoTemplate *template = compilation->template;
	JoHole	   *hole;

	for (int i = 0; i < template->nholes; i++)
	{
		if (strcmp(template->holes[i].sql, sql) == 0)
			return i;
	}

	if (template->nholes == compilation->room)
	{
		compilation->room = Max(8, compilation->room * 2);
		template->holes = template->holes == NULL ?
			palloc(compilation->room * sizeof(JoHole)) :
			repalloc(template->holes, compilation->room * sizeof(JoHole));
	}
	hole = &template->holes[template->nholes];
	memset(hole, 0, sizeof(JoHole));
	hole->sql = pstrdup(sql);
	hole->expression = jo_expression_compile(hole->sql, InvalidOid,
											 compilation->owner,
											 &compilation->scope, error);
	if (hole->expression == NULL)
		return -1;
	choose_form(hole, jo_expression_type(hole->expression));
	template->uses |= jo_expression_uses(hole->expression);
	template->message_fields |= jo_expression_message_fields(hole->expression);
	return template->nholes++;
}

/* Compile one part.  False, and the finding filled, when it cannot be. */
static bool
compile_part(Compilation *compilation, JoPart *part, const char *title,
			 const char *name, const char *source, JoEscape escape)
{
	JoTemplateFinding *finding = compilation->finding;
	JoError    *error = NULL;
	List	   *pieces;
	ListCell   *cell;

	memset(part, 0, sizeof(JoPart));
	part->name = pstrdup(name);
	part->escape = escape;
	finding->part = psprintf("%s%s%s", title, title[0] != '\0' ? " " : "", name);
	finding->source = pstrdup(source);
	finding->hole = NULL;

	pieces = jo_hole_split(source, &error);
	if (error != NULL)
	{
		finding->error = error;
		finding->position = error->position;
		return false;
	}

	part->slots = palloc0(sizeof(JoSlot) * Max(list_length(pieces), 1));
	foreach(cell, pieces)
	{
		JoPiece    *piece = (JoPiece *) lfirst(cell);
		JoSlot	   *slot = &part->slots[part->nslots++];

		slot->hole = -1;
		slot->literal = piece->text;
		slot->length = piece->length;
		slot->is_raw = piece->is_raw;
		if (!piece->is_hole)
			continue;
		slot->hole = compile_hole(compilation, piece->text, &error);
		if (slot->hole < 0)
		{
			finding->error = error;
			finding->hole = piece->text;
			finding->position = jo_hole_position(source, piece->offset) +
				Max(error->position - 1, 0);
			return false;
		}
		part->message_fields |=
			jo_expression_message_fields(compilation->template->holes[slot->hole].expression);
	}
	return true;
}

/* Compile an optional part into "*part". */
static bool
compile_optional(Compilation *compilation, JoPart **part, const char *name,
				 const char *source, JoEscape escape)
{
	*part = NULL;
	if (source == NULL)
		return true;
	*part = palloc(sizeof(JoPart));
	return compile_part(compilation, *part, "", name, source, escape);
}

/* Compile the headers, an object of strings. */
static bool
compile_headers(Compilation *compilation, Jsonb *headers)
{
	JoTemplate *template = compilation->template;
	JsonbIterator *iterator = JsonbIteratorInit(&headers->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	template->headers = palloc0(sizeof(JoPart) *
								Max(JsonContainerSize(&headers->root), 1));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
		{
			char	   *source;

			if (value.type != jbvString)
				elog(ERROR, "header \"%s\" of a template is not a string", name);
			source = pnstrdup(value.val.string.val, value.val.string.len);
			if (!compile_part(compilation, &template->headers[template->nheaders++],
							  "header", name, source, JO_ESCAPE_LINE))
				return false;
		}
	}
	return true;
}

JoTemplate *
jo_template_compile(const JoTemplateRow *row, JoTemplateFinding *finding)
{
	Compilation compilation;
	JoTemplate *template = palloc0(sizeof(JoTemplate));

	memset(finding, 0, sizeof(JoTemplateFinding));
	memset(&compilation, 0, sizeof(compilation));
	compilation.template = template;
	compilation.finding = finding;
	compilation.owner = row->owner;
	compilation.scope.customer_type = jo_customer_type();
	compilation.scope.variables = JO_USES_CUSTOMER | JO_USES_EVENT |
		JO_USES_CONTEXT | JO_USES_JOURNEY | JO_USES_MESSAGE;

	template->owner = row->owner;
	template->version = row->version;
	template->locale = pstrdup(row->locale);
	if (compile_optional(&compilation, &template->subject, "subject",
						 row->subject, JO_ESCAPE_LINE) &&
		compile_optional(&compilation, &template->body, "body",
						 row->body, JO_ESCAPE_TEXT) &&
		compile_optional(&compilation, &template->html, "html",
						 row->html, JO_ESCAPE_HTML) &&
		compile_headers(&compilation, row->headers))
		return template;
	return NULL;
}

/* ---- locales ---- */

/* Write a subtag in the case that BCP 47 recommends: a script Xxxx, a region
 * XX, everything else, and the language, in lower case. */
static void
write_subtag(char *subtag, int length, bool is_first)
{
	for (int i = 0; i < length; i++)
	{
		bool		upper = !is_first && (length == 2 || (length == 4 && i == 0));

		subtag[i] = upper ? pg_ascii_toupper((unsigned char) subtag[i]) :
			pg_ascii_tolower((unsigned char) subtag[i]);
	}
}

char *
jo_locale_canonical(const char *locale)
{
	char	   *result = pstrdup(locale == NULL ? "" : locale);
	char	   *subtag = result;

	if (result[0] == '\0')
		return result;
	result[strcspn(result, ".@")] = '\0';

	for (;;)
	{
		int			length = strspn(subtag, "abcdefghijklmnopqrstuvwxyz"
									"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		bool		is_first = subtag == result;

		if (length > 8 || length < (is_first ? 2 : 1))
			return NULL;
		if (is_first && strcspn(subtag, "0123456789") < length)
			return NULL;
		write_subtag(subtag, length, is_first);
		subtag += length;
		if (*subtag == '\0')
			return result;
		if (*subtag != '-' && *subtag != '_')
			return NULL;
		*subtag++ = '-';
	}
}
