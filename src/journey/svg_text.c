/*
 * journey/svg_text.c
 *	  Text in an SVG: how wide it is, where it breaks, how it is written.
 *
 * Nobody knows the reader's fonts.  A character counts as wide as the wider of
 * Helvetica's and DejaVu Sans's, so a box made for it holds it in either.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "journey/svg.h"

/* From the space to the tilde, in thousandths of the font's size. */
static const short widths[95] = {
	318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
	636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 556,
	1015, 684, 686, 722, 770, 667, 611, 778, 752, 295, 500, 667, 557, 863, 748, 787,
	667, 787, 722, 667, 611, 732, 684, 989, 685, 667, 685, 390, 337, 390, 838, 556,
	500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
	635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838
};

#define OTHER_WIDTH 750
#define WIDE_WIDTH 1050

/* DejaVu's bold letters against its plain ones. */
#define BOLD 1.14

static int
character_width(const char *c)
{
	unsigned char byte = *c;
	int			columns;

	if (byte < ' ' || byte == 0x7f)
		return 0;
	if (byte < 0x7f)
		return widths[byte - ' '];
	columns = pg_dsplen(c);
	return columns <= 0 ? 0 : columns == 1 ? OTHER_WIDTH : WIDE_WIDTH;
}

double
jo_text_width(const char *text, int length, const JoTextStyle *style)
{
	int64		thousandths = 0;

	for (int i = 0; i < length; i += pg_mblen(text +i))
		thousandths += character_width(text +i);
	return ceil(thousandths * style->size * (style->is_bold ? BOLD : 1) / 1000);
}

double
jo_lines_width(List *lines, const JoTextStyle *style)
{
	double		result = 0;
	ListCell   *cell;

	foreach(cell, lines)
	{
		const char *line = lfirst(cell);

		result = Max(result, jo_text_width(line, strlen(line), style));
	}
	return result;
}

/* White space and control characters as single spaces, none at the ends. */
static char *
squeeze(const char *text)
{
	char	   *result = palloc(strlen(text) + 1);
	int			n = 0;

	for (const char *c = text; *c;)
	{
		int			length = pg_mblen(c);

		if ((unsigned char) *c <= ' ' || *c == 0x7f)
		{
			if (n > 0 && result[n - 1] != ' ')
				result[n++] = ' ';
			c++;
			continue;
		}
		memcpy(result + n, c, length);
		n += length;
		c += length;
	}
	while (n > 0 && result[n - 1] == ' ')
		n--;
	result[n] = '\0';
	return result;
}

/* How many bytes of "text" stand in one line. */
static int
line_length(const char *text, const JoTextStyle *style)
{
	int			breaks_at = 0;
	double		width = 0;
	double		factor = style->size * (style->is_bold ? BOLD : 1) / 1000;

	for (int i = 0; text[i] != '\0';)
	{
		int			length = pg_mblen(text +i);

		width += character_width(text +i) * factor;
		if (width > style->max_width && i > 0)
			return breaks_at > 0 ? breaks_at : i;
		i += length;
		if (strchr(" _./,;:-)&|", text[i - length]) != NULL && text[i] != '\0')
			breaks_at = i;
	}
	return strlen(text);
}

/* The last line there is room for: cut, with dots. */
static char *
clip(const char *text, const JoTextStyle *style)
{
	JoTextStyle narrower = *style;
	int			length;

	narrower.max_width -= jo_text_width("...", 3, style);
	length = line_length(text, &narrower);
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return psprintf("%.*s...", length, text);
}

List *
jo_text_wrap(const char *text, const JoTextStyle *style, bool *is_clipped)
{
	char	   *rest = squeeze(text);
	List	   *lines = NIL;

	while (*rest != '\0')
	{
		int			length = line_length(rest, style);
		int			trimmed = length;

		if (rest[length] != '\0' && list_length(lines) == style->max_lines - 1)
		{
			*is_clipped = true;
			return lappend(lines, clip(rest, style));
		}
		while (trimmed > 0 && rest[trimmed - 1] == ' ')
			trimmed--;
		lines = lappend(lines, pnstrdup(rest, trimmed));
		rest += length;
	}
	return lines;
}

/* One character that XML 1.0 may not have at all is shown as a question mark. */
static void
append_character(StringInfo out, pg_wchar c)
{
	if (c == '&')
		appendStringInfoString(out, "&amp;");
	else if (c == '<')
		appendStringInfoString(out, "&lt;");
	else if (c == '>')
		appendStringInfoString(out, "&gt;");
	else if (c == '"')
		appendStringInfoString(out, "&quot;");
	else if (c < ' ' || c == 0x7f)
		appendStringInfoChar(out, ' ');
	else if (c < 0x7f)
		appendStringInfoChar(out, c);
	else if (c == 0xfffe || c == 0xffff)
		appendStringInfoChar(out, '?');
	else
		appendStringInfo(out, "&#%u;", (unsigned int) c);
}

/*
 * Everything beyond ASCII is a numeric reference: the file is then right in
 * whatever encoding a client writes it.
 */
void
jo_xml_append(StringInfo out, const char *text)
{
	int			length = strlen(text);
	char	   *utf8 = pg_server_to_any(text, length, PG_UTF8);

	if (utf8 != text)
		length = strlen(utf8);
	for (int i = 0; i < length;)
	{
		const unsigned char *c = (const unsigned char *) utf8 + i;
		int			size = pg_utf_mblen(c);

		/* A database without an encoding may hold any bytes. */
		if (i + size > length || !pg_utf8_islegal(c, size))
		{
			append_character(out, '?');
			i++;
			continue;
		}
		append_character(out, utf8_to_unicode(c));
		i += size;
	}
}

void
jo_svg_lines(StringInfo out, List *lines, double x, double y,
			 double line_height)
{
	ListCell   *cell;

	foreach(cell, lines)
	{
		appendStringInfo(out, "<text x=\"%.1f\" y=\"%.1f\">", x, y);
		jo_xml_append(out, lfirst(cell));
		appendStringInfoString(out, "</text>");
		y += line_height;
	}
}

void
jo_svg_tooltip(StringInfo out, const char *first, const char *second)
{
	appendStringInfoString(out, "<title>");
	jo_xml_append(out, first);
	if (first[0] != '\0' && second[0] != '\0')
		appendStringInfoString(out, ": ");
	jo_xml_append(out, second);
	appendStringInfoString(out, "</title>");
}
