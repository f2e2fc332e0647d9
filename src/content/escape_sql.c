/*
 * content/escape_sql.c
 *	  html_escape(), html_list() and url_encode(): what a hole needs that builds
 *	  HTML or an address itself.
 *
 * A hole between {{ }} is escaped for its part as a whole.  One that makes
 * markup stands between {{{ }}} and escapes its values with these.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "content/escape.h"

PG_FUNCTION_INFO_V1(journey_orch_html_escape);
PG_FUNCTION_INFO_V1(journey_orch_html_list);
PG_FUNCTION_INFO_V1(journey_orch_url_encode);

/* html_escape(value): as {{ }} does in an HTML part. */
Datum
journey_orch_html_escape(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	StringInfoData result;

	initStringInfo(&result);
	jo_escape_append(&result, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
					 JO_ESCAPE_HTML);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
}

/*
 * html_list(items, before, after): every item that is not NULL, escaped,
 * between two texts that are not.
 */
Datum
journey_orch_html_list(PG_FUNCTION_ARGS)
{
	text	   *before = PG_GETARG_TEXT_PP(1);
	text	   *after = PG_GETARG_TEXT_PP(2);
	StringInfoData result;
	Datum	   *items;
	bool	   *isnull;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false,
					  TYPALIGN_INT, &items, &isnull, &n);
	initStringInfo(&result);
	for (int i = 0; i < n; i++)
	{
		text	   *item;

		if (isnull[i])
			continue;
		item = DatumGetTextPP(items[i]);
		appendBinaryStringInfo(&result, VARDATA_ANY(before),
							   VARSIZE_ANY_EXHDR(before));
		jo_escape_append(&result, VARDATA_ANY(item), VARSIZE_ANY_EXHDR(item),
						 JO_ESCAPE_HTML);
		appendBinaryStringInfo(&result, VARDATA_ANY(after),
							   VARSIZE_ANY_EXHDR(after));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
}

/*
 * url_encode(value): the bytes of its UTF-8 form, all but the unreserved
 * characters of RFC 3986 as %XX.  Good in any component of a URL.
 */
Datum
journey_orch_url_encode(PG_FUNCTION_ARGS)
{
	static const char hex[] = "0123456789ABCDEF";
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *utf8 = pg_server_to_any(value, strlen(value), PG_UTF8);
	StringInfoData result;

	initStringInfo(&result);
	for (const unsigned char *c = (unsigned char *) utf8; *c != '\0'; c++)
	{
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || strchr("-._~", *c) != NULL)
			appendStringInfoChar(&result, *c);
		else
		{
			appendStringInfoChar(&result, '%');
			appendStringInfoChar(&result, hex[*c >> 4]);
			appendStringInfoChar(&result, hex[*c & 15]);
		}
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
}
