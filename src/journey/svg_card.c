/*
 * journey/svg_card.c
 *	  The card of a step, the entry, the goal or an exit rule in an SVG.
 *
 * An icon, the verb, the name, what it does.  The colour says the kind, and so
 * do the icon and the verb, for those who do not see it.  Text has a contrast of
 * 4.5:1 and more, borders and icons 3:1 (WCAG AA; test/tap/pictures.pl measures).
 */
#include "postgres.h"

#include "journey/svg.h"

#define CARD_LEFT 38			/* of a card's text */
#define CARD_RIGHT 14
#define CARD_TOP 9
#define CAPTION_LINE 14
#define NAME_LINE 17
#define TEXT_LINE 15
#define CARD_BOTTOM 9
#define LEAST_CARD 116

static const JoTextStyle caption_style = {10, true, 400, 1};
static const JoTextStyle name_style = {13, true, 210, 4};
static const JoTextStyle text_style = {11, false, 210, 2};
static const JoTextStyle rule_style = {11, false, 210, 4};

/* How a kind looks. */
typedef struct JoLook
{
	const char *fill;
	const char *border;
	const char *caption;		/* text of the verb, and the icon */
	const char *icon;			/* a path in 16 by 16, drawn as a line */
} JoLook;

static const JoLook entry_look = {"#ecfdf5", "#047857", "#065f46",
"M5 3 L13 8 L5 13 Z"};
static const JoLook goal_look = {"#ecfdf5", "#047857", "#065f46",
"M4 14 V2 H13 L10.5 5 L13 8 H4"};
static const JoLook rule_look = {"#fef2f2", "#b91c1c", "#991b1b",
"M8 2 L14 8 L8 14 L2 8 Z M8 5 V8.5 M8 10.5 V11"};
static const JoLook send_look = {"#eff6ff", "#1d4ed8", "#1e40af",
"M1.5 3.5 H14.5 V12.5 H1.5 Z M1.5 4 L8 9 L14.5 4"};
static const JoLook time_look = {"#fffbeb", "#b45309", "#92400e",
"M8 1.5 A6.5 6.5 0 1 1 7.99 1.5 Z M8 4.5 V8 L10.5 10"};
static const JoLook choice_look = {"#f5f3ff", "#6d28d9", "#5b21b6",
"M8 14 V9 M8 9 L3 4 M8 9 L13 4 M3 8 V4 H7 M9 4 H13 V8"};
static const JoLook data_look = {"#f0fdfa", "#0f766e", "#115e59",
"M2 13.5 L3 10.5 L11 2.5 L13.5 5 L5.5 13 Z M9.5 4 L12 6.5"};
static const JoLook event_look = {"#f0fdfa", "#0f766e", "#115e59",
"M9 1.5 L3.5 9 H7.5 L6.5 14.5 L12.5 6.5 H8.5 Z"};
static const JoLook person_look = {"#fdf2f8", "#be185d", "#9d174d",
"M8 2 A3 3 0 1 1 7.99 2 Z M2.5 14 C2.5 9 13.5 9 13.5 14"};
static const JoLook exit_look = {"#f3f4f6", "#374151", "#1f2937",
"M8 1.5 A6.5 6.5 0 1 1 7.99 1.5 Z M5.5 5.5 H10.5 V10.5 H5.5 Z"};

static const JoLook *
step_look(JoVerb verb)
{
	switch (verb)
	{
		case JO_SEND:
			return &send_look;
		case JO_DELAY:
		case JO_WAIT:
		case JO_DIGEST:
			return &time_look;
		case JO_BRANCH:
		case JO_SPLIT:
		case JO_DECIDE:
			return &choice_look;
		case JO_UPDATE:
			return &data_look;
		case JO_CALL:
		case JO_EMIT:
		case JO_ENTER:
			return &event_look;
		case JO_APPROVE:
			return &person_look;
		case JO_EXIT:
			break;
	}
	return &exit_look;
}

void
jo_card_make(JoCard *card, const JoPictureNode *node)
{
	const JoTextStyle *style = &text_style;

	switch (node->kind)
	{
		case JO_PICTURE_ENTRY:
			card->caption = "entry";
			card->look = &entry_look;
			style = &rule_style;
			break;
		case JO_PICTURE_STEP:
			card->caption = jo_verb_name(node->verb);
			card->look = step_look(node->verb);
			break;
		case JO_PICTURE_GOAL:
			card->caption = "goal";
			card->look = &goal_look;
			style = &rule_style;
			break;
		case JO_PICTURE_EXIT_RULE:
			card->caption = "exit rule";
			card->look = &rule_look;
			style = &rule_style;
			break;
	}
	card->name = jo_text_wrap(node->name, &name_style, &card->is_clipped);
	card->text = jo_text_wrap(node->text, style, &card->is_clipped);
	card->width = jo_text_width(card->caption, strlen(card->caption), &caption_style) * 1.3;
	card->width = Max(card->width, jo_lines_width(card->name, &name_style));
	card->width = Max(card->width, jo_lines_width(card->text, style));
	card->width = Max(LEAST_CARD, CARD_LEFT + card->width + CARD_RIGHT);
	card->height = CARD_TOP + CAPTION_LINE + NAME_LINE * list_length(card->name) +
		TEXT_LINE * list_length(card->text) + CARD_BOTTOM;
}

void
jo_card_append(StringInfo out, const JoCard *card, const JoPictureNode *node,
			   double x, double y, double height)
{
	double		baseline = y + CARD_TOP + 9 + (height - card->height) / 2;

	appendStringInfo(out, "<g data-kind=\"%s\" data-name=\"", card->caption);
	jo_xml_append(out, node->name);
	appendStringInfoString(out, "\">");
	if (card->is_clipped)
		jo_svg_tooltip(out, node->name, node->text);
	appendStringInfo(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\""
					 " rx=\"%d\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.5\"/>",
					 x, y, card->width, height,
					 card->look == &exit_look || card->look == &entry_look ? 16 : 6,
					 card->look->fill, card->look->border);
	appendStringInfo(out, "<path transform=\"translate(%.1f %.1f)\" d=\"%s\""
					 " fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\""
					 " stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
					 x + 12, y + height / 2 - 8, card->look->icon,
					 card->look->caption);
	appendStringInfo(out, "<g fill=\"%s\" font-size=\"%g\" font-weight=\"bold\" letter-spacing=\"0.6\">"
					 "<text x=\"%.1f\" y=\"%.1f\">%s</text></g>",
					 card->look->caption, caption_style.size, x + CARD_LEFT, baseline,
					 card->caption);
	baseline += NAME_LINE - 1;
	if (card->name != NIL)
	{
		appendStringInfo(out, "<g fill=\"#111827\" font-size=\"%g\" font-weight=\"bold\">",
						 name_style.size);
		jo_svg_lines(out, card->name, x + CARD_LEFT, baseline, NAME_LINE);
		appendStringInfoString(out, "</g>");
		baseline += NAME_LINE * list_length(card->name);
	}
	if (card->text !=NIL)
	{
		appendStringInfo(out, "<g fill=\"#374151\" font-size=\"%g\">", text_style.size);
		jo_svg_lines(out, card->text, x + CARD_LEFT, baseline - 1, TEXT_LINE);
		appendStringInfoString(out, "</g>");
	}
	appendStringInfoString(out, "</g>\n");
}
