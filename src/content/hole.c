/*
 * content/hole.c
 *	  The syntax of holes: {{ sql }} and {{{ sql }}} in any text.
 *
 * A hole ends at the first }} (or }}}) that is not inside a string, a quoted
 * identifier, a dollar-quoted string or a comment of its SQL; outside of those
 * a brace is no token of SQL, so nothing more needs to be known.  The lexical
 * rules are those of scan.l with standard_conforming_strings on.
 *
 * A literal {{ is written as the hole {{ '{{' }}.  A lone brace, and }} outside
 * a hole, are literal.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/elog.h"

#include "content/hole.h"

static bool
is_identifier_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		IS_HIGHBIT_SET(c);
}

static bool
is_identifier_part(char c)
{
	return is_identifier_start(c) || (c >= '0' && c <= '9');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Past a string or quoted identifier that begins at "p"; NULL: it does not
 * end.  "escapes": a backslash takes the next character with it. */
static const char *
skip_quoted(const char *p, bool escapes)
{
	char		quote = *p++;

	for (; *p != '\0'; p++)
	{
		if (escapes && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == quote)
		{
			if (p[1] != quote)
				return p + 1;
			p++;
		}
	}
	return NULL;
}

/* The same for E'…', which goes on after blanks with a line end in them. */
static const char *
skip_escape_string(const char *p)
{
	while ((p = skip_quoted(p, true)) != NULL)
	{
		const char *next = p;
		bool		has_newline = false;

		for (; is_blank(*next); next++)
			has_newline = has_newline || *next == '\n' || *next == '\r';
		if (!has_newline || *next != '\'')
			return p;
		p = next;
	}
	return NULL;
}

/* Past a dollar-quoted string that begins at "p", or past the dollar when it
 * begins none; NULL: it does not end. */
static const char *
skip_dollar(const char *p)
{
	const char *tag_end = p + 1;
	size_t		tag_length;

	if (is_identifier_start(*tag_end))
		while (is_identifier_part(*tag_end))
			tag_end++;
	if (*tag_end != '$')
		return p + 1;

	tag_length = tag_end + 1 - p;
	for (const char *end = tag_end + 1; *end != '\0'; end++)
		if (strncmp(end, p, tag_length) == 0)
			return end + tag_length;
	return NULL;
}

/* Past a comment of the slash-star kind, which nests; NULL: it does not end. */
static const char *
skip_comment(const char *p)
{
	int			depth = 1;

	for (p += 2; *p != '\0'; p++)
	{
		if (p[0] == '/' && p[1] == '*')
		{
			depth++;
			p++;
		}
		else if (p[0] == '*' && p[1] == '/')
		{
			p++;
			if (--depth == 0)
				return p + 1;
		}
	}
	return NULL;
}

/* Past an identifier or key word, and past the string it may introduce. */
static const char *
skip_word(const char *p)
{
	const char *start = p;

	while (is_identifier_part(*p) || *p == '$')
		p++;
	if (*p == '\'' && p - start == 1 && (*start == 'e' || *start == 'E'))
		return skip_escape_string(p);
	return p;
}

/* Past the token that begins at "p"; NULL: it does not end. */
static const char *
skip_token(const char *p)
{
	if (*p == '\'' || *p == '"')
		return skip_quoted(p, false);
	if (*p == '$')
		return skip_dollar(p);
	if (p[0] == '/' && p[1] == '*')
		return skip_comment(p);
	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\r\n");
	if (is_identifier_start(*p))
		return skip_word(p);
	return p + 1;
}

/* The closing braces of the hole whose SQL begins at "p", or NULL. */
static const char *
find_end(const char *p, const char *closing)
{
	while (p != NULL && *p != '\0')
	{
		if (strncmp(p, closing, strlen(closing)) == 0)
			return p;
		p = skip_token(p);
	}
	return NULL;
}

static JoError *
syntax_error(const char *part, const char *at, const char *message, const char *hint)
{
	JoError    *error = palloc0(sizeof(JoError));

	strcpy(error->sqlstate, unpack_sql_state(ERRCODE_SYNTAX_ERROR));
	error->message = pstrdup(message);
	error->hint = pstrdup(hint);
	error->position = jo_hole_position(part, at - part);
	return error;
}

static JoPiece *
make_piece(const char *part, const char *start, const char *end)
{
	JoPiece    *piece = palloc0(sizeof(JoPiece));

	piece->text = pnstrdup(start, end - start);
	piece->length = end - start;
	piece->offset = start - part;
	return piece;
}

int
jo_hole_position(const char *part, int offset)
{
	return pg_mbstrlen_with_len(part, offset) + 1;
}

List *
jo_hole_split(const char *part, JoError **error)
{
	List	   *pieces = NIL;
	const char *p = part;
	const char *open;

	*error = NULL;
	while ((open = strstr(p, "{{")) != NULL)
	{
		bool		is_raw = open[2] == '{';
		const char *start = open + (is_raw ? 3 : 2);
		const char *end = find_end(start, is_raw ? "}}}" : "}}");
		JoPiece    *piece;

		if (end == NULL)
		{
			*error = syntax_error(part, open, is_raw ?
								  "hole {{{ is not closed by }}}" :
								  "hole {{ is not closed by }}",
								  "Braces in a string or comment of the hole do not close it. A literal {{ is written {{ '{{' }}.");
			return NIL;
		}
		if (open > p)
			pieces = lappend(pieces, make_piece(part, p, open));

		p = end + (is_raw ? 3 : 2);
		while (start < end && is_blank(*start))
			start++;
		while (end > start && is_blank(end[-1]))
			end--;
		if (start == end)
		{
			*error = syntax_error(part, open, "hole is empty",
								  "Write an SQL expression between the braces. A literal {{ is written {{ '{{' }}.");
			return NIL;
		}
		piece = make_piece(part, start, end);
		piece->is_hole = true;
		piece->is_raw = is_raw;
		pieces = lappend(pieces, piece);
	}
	if (*p != '\0')
		pieces = lappend(pieces, make_piece(part, p, p + strlen(p)));
	return pieces;
}
