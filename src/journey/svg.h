/*
 * journey/svg.h
 *	  The parts of an SVG: text, and the card of a step.
 */
#ifndef JO_SVG_H
#define JO_SVG_H

#include "journey/picture.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/* The sans-serif family that all text is in. */
#define JO_SVG_FONTS "Helvetica, Arial, &quot;Liberation Sans&quot;, &quot;DejaVu Sans&quot;, sans-serif"

typedef struct JoTextStyle
{
	double		size;			/* of the font */
	bool		is_bold;
	double		max_width;
	int			max_lines;
} JoTextStyle;

/* Width of a text: at least that in any usual sans-serif font. */
extern double jo_text_width(const char *text, int length,
							const JoTextStyle *style);

/* The lines of a text (char *), white space and control characters as single
 * spaces; the last one ends with "..." where there is more. */
extern List *jo_text_wrap(const char *text, const JoTextStyle *style,
						  bool *is_clipped);

/* Width of the widest line. */
extern double jo_lines_width(List *lines, const JoTextStyle *style);

/* Append as XML character data, in ASCII. */
extern void jo_xml_append(StringInfo out, const char *text);

/* Append lines of text at x, from the baseline y on. */
extern void jo_svg_lines(StringInfo out, List *lines, double x, double y,
						 double line_height);

/* Append what is shown where the pointer rests: "first: second". */
extern void jo_svg_tooltip(StringInfo out, const char *first,
						   const char *second);

/* ---- svg_card.c ---- */

/* What is written on a card. */
typedef struct JoCard
{
	const char *caption;
	List	   *name;
	List	   *text;
	bool		is_clipped;
	const struct JoLook *look;
	double		width;
	double		height;
} JoCard;

/* Choose the words, the look and the size. */
extern void jo_card_make(JoCard *card, const JoPictureNode *node);

/* Append a card, at least as high as it wants to be. */
extern void jo_card_append(StringInfo out, const JoCard *card,
						   const JoPictureNode *node, double x, double y,
						   double height);

#endif							/* JO_SVG_H */
