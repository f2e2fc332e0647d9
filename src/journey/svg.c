/*
 * journey/svg.c
 *	  A version as a standalone SVG.
 *
 * Steps are cards (svg_card.c) where layout.c puts them, with lines between
 * them that carry their labels.  What does not fit is cut, and whole in a
 * tooltip.  The goal and the exit rules, which belong to no step, stand at the
 * right.
 *
 * All looks are attributes: an SVG inside an HTML page changes nothing there.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey/layout.h"
#include "journey/picture.h"
#include "journey/svg.h"

#define MARGIN 24
#define RULE_GAP 40				/* between the steps and the rules */
#define RULE_TITLE 20
#define RULE_DISTANCE 12
#define LABEL_LINE 14
#define LABEL_PADDING 4
#define LOOP_REACH 26

/* Arrows beyond which nobody could read it. */
#define MAX_ARROWS 200000

static const JoTextStyle title_style = {20, true, 700, 1};
static const JoTextStyle note_style = {12, false, 700, 2};
static const JoTextStyle label_style = {11, false, 150, 3};

typedef struct Label
{
	List	   *lines;
	List	   *jump;			/* the same with the name it leads to */
	bool		is_clipped;
} Label;

typedef struct Drawing
{
	const JoPicture *picture;
	JoCard	   *cards;			/* by node */
	Label	   *labels;			/* by edge */
	JoLayout	layout;			/* the entry and the steps */
	double	   *loops;			/* by box: height of its arrows to itself */
	double		top;			/* below the title */
	double		width;
	double		height;
} Drawing;

static void
make_label(Label *label, const JoPicture *picture, const JoPictureEdge *edge)
{
	bool		is_clipped = false;

	if (edge->label)
		label->lines = jo_text_wrap(edge->label, &label_style, &label->is_clipped);
	label->jump = jo_text_wrap(psprintf("to %s", picture->nodes[edge->to].name),
							   &label_style, &is_clipped);
	label->jump = list_concat_copy(label->lines, label->jump);
}

static void
make_arrow(Drawing *drawing, int number)
{
	const JoPictureEdge *edge = &drawing->picture->edges[number];
	JoArrow    *arrow = &drawing->layout.arrows[number];
	Label	   *label = &drawing->labels[number];

	make_label(label, drawing->picture, edge);
	arrow->from = edge->from;
	arrow->to = edge->to;
	arrow->bundle = edge->is_failure;
	if (label->lines != NIL)
	{
		arrow->label_width = jo_lines_width(label->lines, &label_style) + 2 * LABEL_PADDING;
		arrow->label_height = LABEL_LINE * list_length(label->lines) + LABEL_PADDING;
	}
	arrow->jump_width = jo_lines_width(label->jump, &label_style) + 4 * LABEL_PADDING;
	arrow->jump_height = LABEL_LINE * list_length(label->jump) + 2 * LABEL_PADDING;
	if (edge->from == edge->to)
	{
		JoBox	   *box = &drawing->layout.boxes[edge->from];

		/* One below the other; the place within them is kept in label_y. */
		arrow->label_y = drawing->loops[edge->from];
		drawing->loops[edge->from] += Max(arrow->label_height, LABEL_LINE) + LABEL_PADDING;
		box->loop_width = Max(box->loop_width, LOOP_REACH + arrow->label_width);
		box->height = Max(box->height, drawing->loops[edge->from]);
	}
}

/* Sizes of everything, then the places of the steps. */
static void
lay_out(Drawing *drawing)
{
	const JoPicture *picture = drawing->picture;
	JoLayout   *layout = &drawing->layout;

	drawing->cards = palloc0_array(JoCard, picture->nnodes);
	drawing->labels = palloc0_array(Label, picture->nedges + 1);
	layout->nboxes = picture->nsteps + 1;
	layout->boxes = palloc0_array(JoBox, layout->nboxes);
	layout->narrows = picture->nedges;
	drawing->loops = palloc0_array(double, layout->nboxes);
	layout->arrows = palloc0_array(JoArrow, picture->nedges + 1);
	for (int i = 0; i < picture->nnodes; i++)
	{
		CHECK_FOR_INTERRUPTS();
		jo_card_make(&drawing->cards[i], &picture->nodes[i]);
		if (i > picture->nsteps)
			continue;
		layout->boxes[i].width = drawing->cards[i].width;
		layout->boxes[i].height = drawing->cards[i].height;
	}
	for (int i = 0; i < picture->nedges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		make_arrow(drawing, i);
	}
	jo_layout(layout);
}

static void
append_path(StringInfo out, const JoArrow *arrow)
{
	const JoPoint *points = arrow->points;

	appendStringInfo(out, "M%.1f %.1f", points[0].x, points[0].y);
	for (int i = 1; i < arrow->npoints; i++)
	{
		double		middle = (points[i - 1].y + points[i].y) / 2;

		if (points[i].x == points[i - 1].x)
			appendStringInfo(out, "V%.1f", points[i].y);
		else
			appendStringInfo(out, "C%.1f %.1f %.1f %.1f %.1f %.1f",
							 points[i - 1].x, middle, points[i].x, middle,
							 points[i].x, points[i].y);
	}
}

/* An arrow of a box to itself, at its right side. */
static void
append_loop(StringInfo out, const Drawing *drawing, JoArrow *arrow)
{
	const JoBox *box = &drawing->layout.boxes[arrow->from];
	double		right = box->x + box->width;
	double		height = Max(arrow->label_height, LABEL_LINE);
	double		upper = box->y + arrow->label_y +
	(box->height - drawing->loops[arrow->from] + LABEL_PADDING) / 2;

	arrow->has_head = true;
	arrow->label_x = right + LOOP_REACH - LABEL_PADDING + arrow->label_width / 2;
	arrow->label_y = upper + (height - arrow->label_height) / 2;
	appendStringInfo(out, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f",
					 right, upper + height * 0.15, right + LOOP_REACH, upper,
					 right + LOOP_REACH, upper + height, right, upper + height * 0.85);
}

static void
append_arrow(StringInfo out, Drawing *drawing, int number)
{
	const JoPicture *picture = drawing->picture;
	const JoPictureEdge *edge = &picture->edges[number];
	JoArrow    *arrow = &drawing->layout.arrows[number];

	appendStringInfoString(out, "<path data-from=\"");
	jo_xml_append(out, edge->from == 0 ? "" : picture->nodes[edge->from].name);
	appendStringInfoString(out, "\" data-to=\"");
	jo_xml_append(out, picture->nodes[edge->to].name);
	appendStringInfoString(out, "\" d=\"");
	if (edge->from == edge->to)
		append_loop(out, drawing, arrow);
	else
		append_path(out, arrow);
	appendStringInfo(out, "\"%s%s/>\n",
					 edge->is_failure ? " stroke=\"#b91c1c\"" : "",
					 !arrow->has_head ? "" : edge->is_failure ?
					 " marker-end=\"url(#jo-failure)\"" : " marker-end=\"url(#jo-arrow)\"");
}

static void
append_label(StringInfo out, const Drawing *drawing, int number)
{
	const JoPictureEdge *edge = &drawing->picture->edges[number];
	const JoArrow *arrow = &drawing->layout.arrows[number];
	const Label *label = &drawing->labels[number];
	double		width = arrow->is_jump ? arrow->jump_width : arrow->label_width;
	double		height = arrow->is_jump ? arrow->jump_height : arrow->label_height;
	List	   *lines = arrow->is_jump ? label->jump : label->lines;

	if (lines == NIL)
		return;
	appendStringInfo(out, "<g%s>", edge->is_failure ? " fill=\"#991b1b\"" : "");
	if (label->is_clipped)
		jo_svg_tooltip(out, edge->label, "");
	appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\""
					 " rx=\"4\" fill=\"#ffffff\"%s/>",
					 arrow->label_x - width / 2, arrow->label_y, width, height,
					 arrow->is_jump ? " stroke=\"#4b5563\"" : "");
	jo_svg_lines(out, lines, arrow->label_x,
				 arrow->label_y + (arrow->is_jump ? LABEL_PADDING : LABEL_PADDING / 2) + 10.5,
				 LABEL_LINE);
	appendStringInfoString(out, "</g>\n");
}

static void
append_marker(StringInfo out, const char *id, const char *colour)
{
	appendStringInfo(out, "<marker id=\"%s\" viewBox=\"0 0 10 10\" refX=\"9.5\" refY=\"5\""
					 " markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
					 "<path d=\"M0 0.8L10 5L0 9.2Z\" fill=\"%s\"/></marker>", id, colour);
}

/* <title> and <desc>: what a reader who sees nothing is told. */
static void
append_head(StringInfo out, const Drawing *drawing)
{
	const JoPicture *picture = drawing->picture;

	appendStringInfo(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\""
					 " width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\""
					 " font-family=\"" JO_SVG_FONTS "\">\n<title>Journey ",
					 drawing->width, drawing->height, drawing->width, drawing->height);
	jo_xml_append(out, picture->journey);
	appendStringInfo(out, ", version %d</title>\n<desc>Entered ", picture->version);
	jo_xml_append(out, picture->nodes[0].text);
	appendStringInfo(out, ". %d steps:", picture->nsteps);
	for (int i = 1; i <= picture->nsteps && i <= 50; i++)
	{
		appendStringInfoString(out, i > 1 ? ", " : " ");
		jo_xml_append(out, picture->nodes[i].name);
		appendStringInfo(out, " (%s)", jo_verb_name(picture->nodes[i].verb));
	}
	appendStringInfoString(out, picture->nsteps > 50 ? " and more." : ".");
	for (int i = picture->nsteps + 1; i < picture->nnodes; i++)
	{
		const JoPictureNode *node = &picture->nodes[i];

		appendStringInfoString(out, node->kind == JO_PICTURE_GOAL ? " Goal" : " Exit rule ");
		jo_xml_append(out, node->name);
		appendStringInfoString(out, ": ");
		jo_xml_append(out, node->text);
		appendStringInfoChar(out, '.');
	}
	appendStringInfoString(out, "</desc>\n<defs>");
	append_marker(out, "jo-arrow", "#4b5563");
	append_marker(out, "jo-failure", "#b91c1c");
	appendStringInfo(out, "</defs>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
					 drawing->width, drawing->height);
}

/* The title, and the room it takes. */
static double
append_title(StringInfo out, const JoPicture *picture, double *width)
{
	bool		is_clipped = false;
	char	   *name = psprintf("%s, version %d", picture->journey, picture->version);
	List	   *title = jo_text_wrap(name, &title_style, &is_clipped);
	List	   *note = NIL;

	if (picture->description)
		note = jo_text_wrap(picture->description, &note_style, &is_clipped);
	appendStringInfo(out, "<g fill=\"#111827\" font-size=\"%g\" font-weight=\"bold\">",
					 title_style.size);
	jo_svg_lines(out, title, MARGIN, MARGIN + 16, 0);
	appendStringInfo(out, "</g>\n<g fill=\"#374151\" font-size=\"%g\">", note_style.size);
	jo_svg_lines(out, note, MARGIN, MARGIN + 38, 16);
	appendStringInfoString(out, "</g>\n");
	*width = Max(jo_lines_width(title, &title_style), jo_lines_width(note, &note_style));
	return MARGIN + 40 + 16 * list_length(note);
}

/* How far to the right the upper part of the steps reaches. */
static double
right_edge(const JoLayout *layout, double height)
{
	double		result = 0;

	for (int i = 0; i < layout->nboxes; i++)
	{
		const JoBox *box = &layout->boxes[i];

		if (box->y < height)
			result = Max(result, box->x + box->width + box->loop_width);
	}
	for (int i = 0; i < layout->narrows; i++)
	{
		const JoArrow *arrow = &layout->arrows[i];

		for (int p = 0; p < arrow->npoints; p++)
		{
			if (arrow->points[p].y < height ||
				(p > 0 && arrow->points[p - 1].y < height) ||
				(p + 1 < arrow->npoints && arrow->points[p + 1].y < height))
				result = Max(result, arrow->points[p].x);
		}
		if (arrow->npoints > 0 && arrow->label_y < height)
			result = Max(result, arrow->label_x +
						 (arrow->is_jump ? arrow->jump_width : arrow->label_width) / 2);
	}
	return result;
}

/* Height of the goal and the exit rules below one another. */
static double
rules_height(const Drawing *drawing)
{
	double		result = 0;

	for (int i = drawing->picture->nsteps + 1; i < drawing->picture->nnodes; i++)
		result += drawing->cards[i].height + RULE_DISTANCE;
	return result == 0 ? 0 : RULE_TITLE + result;
}

/* The goal and the exit rules, one below the other; returns where they end. */
static double
append_rules(StringInfo out, const Drawing *drawing, double x, double *width)
{
	const JoPicture *picture = drawing->picture;
	double		y = drawing->top;

	*width = 0;
	if (picture->nnodes == picture->nsteps + 1)
		return y;
	appendStringInfo(out, "<g fill=\"#374151\" font-size=\"%g\">"
					 "<text x=\"%.1f\" y=\"%.1f\">At any step</text></g>\n",
					 note_style.size, x, y + 10);
	y += RULE_TITLE;
	for (int i = picture->nsteps + 1; i < picture->nnodes; i++)
	{
		const JoCard *card = &drawing->cards[i];

		jo_card_append(out, card, &picture->nodes[i], x, y, card->height);
		*width = Max(*width, card->width);
		y += card->height + RULE_DISTANCE;
	}
	return y;
}

static void
append_steps(StringInfo out, Drawing *drawing)
{
	JoLayout   *layout = &drawing->layout;

	appendStringInfo(out, "<g transform=\"translate(%d %.0f)\">\n"
					 "<g fill=\"none\" stroke=\"#4b5563\" stroke-width=\"1.4\">\n",
					 MARGIN, drawing->top);
	for (int i = 0; i < layout->narrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		append_arrow(out, drawing, i);
	}
	appendStringInfo(out, "</g>\n<g fill=\"#374151\" font-size=\"%g\" text-anchor=\"middle\">\n",
					 label_style.size);
	for (int i = 0; i < layout->narrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		append_label(out, drawing, i);
	}
	appendStringInfoString(out, "</g>\n");
	for (int i = 0; i < layout->nboxes; i++)
	{
		const JoBox *box = &layout->boxes[i];

		CHECK_FOR_INTERRUPTS();
		jo_card_append(out, &drawing->cards[i], &drawing->picture->nodes[i], box->x,
					   box->y, box->height);
	}
	appendStringInfoString(out, "</g>\n");
}

char *
jo_svg(const JoPicture *picture)
{
	Drawing		drawing = {picture};
	StringInfoData body;
	StringInfoData out;
	double		title_width;
	double		rules_width;
	double		rules_bottom;
	double		rules_left;

	if (picture->nedges > MAX_ARROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("journey \"%s\" has too many ways between its steps to draw", picture->journey),
				 errdetail("Version %d has %d, and %d can be drawn.", picture->version,
						   picture->nedges, MAX_ARROWS),
				 errhint("journey_orch.dot() writes them all.")));
	lay_out(&drawing);
	initStringInfo(&body);
	drawing.top = append_title(&body, picture, &title_width);
	rules_left = MARGIN + right_edge(&drawing.layout, rules_height(&drawing)) + RULE_GAP;
	rules_bottom = append_rules(&body, &drawing, rules_left, &rules_width);
	append_steps(&body, &drawing);

	drawing.width = MARGIN + drawing.layout.width;
	if (rules_width > 0)
		drawing.width = Max(drawing.width, rules_left + rules_width);
	drawing.width = Max(drawing.width, MARGIN + title_width) + MARGIN;
	drawing.height = Max(drawing.top + drawing.layout.height, rules_bottom) + MARGIN;
	initStringInfo(&out);
	append_head(&out, &drawing);
	appendBinaryStringInfo(&out, body.data, body.len);
	appendStringInfoString(&out, "</svg>\n");
	return out.data;
}
