/*
 * content/escape.c
 *	  Escaping by part: text, HTML, one line.
 *
 * A subject or header can never hold a line end, whoever wrote it: the value,
 * the author's literal text, or a raw hole.  So lines are folded when they are
 * finished, not value by value.  Besides the ASCII controls the C1 controls
 * (U+0080 to U+009F, NEL among them) and U+2028, U+2029 count as controls in a
 * UTF-8 database: mail and JSON libraries split lines there.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "content/escape.h"

/* Bytes of the control character that begins at "p", 0 when it is none. */
static int
control_length(const unsigned char *p, int available, bool is_utf8)
{
	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	if (is_utf8 && p[0] == 0xc2 && available >= 2 && p[1] <= 0x9f)
		return 2;
	if (is_utf8 && p[0] == 0xe2 && available >= 3 && p[1] == 0x80 &&
		(p[2] == 0xa8 || p[2] == 0xa9))
		return 3;
	return 0;
}

/* Entity of a character that means something in HTML, else NULL. */
static const char *
html_entity(char c)
{
	switch (c)
	{
		case '&':
			return "&amp;";
		case '<':
			return "&lt;";
		case '>':
			return "&gt;";
		case '"':
			return "&quot;";
		case '\'':
			return "&#39;";
		default:
			return NULL;
	}
}

void
jo_escape_append(StringInfo out, const char *value, int length, JoEscape escape)
{
	bool		is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	int			copied = 0;
	int			i = 0;

	/* What needs no change is appended in runs. */
	while (escape != JO_ESCAPE_LINE && i < length)
	{
		const char *entity = escape == JO_ESCAPE_HTML ? html_entity(value[i]) : NULL;
		int			control = 0;

		if (entity == NULL && value[i] != '\n' && value[i] != '\t')
			control = control_length((const unsigned char *) value + i,
									 length - i, is_utf8);
		if (entity == NULL && control != 1 && control != 2)
		{
			i++;
			continue;
		}
		appendBinaryStringInfo(out, value + copied, i - copied);
		if (entity != NULL)
			appendStringInfoString(out, entity);
		i += entity != NULL ? 1 : control;
		copied = i;
	}
	appendBinaryStringInfo(out, value + copied, length - copied);
}

int
jo_escape_fold(char *line, int length)
{
	bool		is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	bool		space_due = false;
	int			to = 0;
	int			i = 0;

	while (i < length)
	{
		int			control = control_length((const unsigned char *) line + i,
											 length - i, is_utf8);

		if (control > 0)
		{
			space_due = to > 0;
			i += control;
			continue;
		}
		if (space_due)
			line[to++] = ' ';
		space_due = false;
		line[to++] = line[i++];
	}
	line[to] = '\0';
	return to;
}
