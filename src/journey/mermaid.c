/*
 * journey/mermaid.c
 *	  A version as a Mermaid flowchart.
 *
 * Steps stand in breadth-first order and are named by their number, so the
 * text is the same for the same definition.  Everything an author wrote is
 * inside quotes, with Mermaid's and HTML's special characters as entities.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "journey/picture.h"

#define MAX_LABEL 60

/* Append "text" so that it is nothing but text, at most MAX_LABEL characters. */
static void
append_escaped(StringInfo out, const char *text)
{
	int			length = strlen(text);
	int			clipped = pg_mbcharcliplen(text, length, MAX_LABEL);

	for (int i = 0; i < clipped; i++)
	{
		unsigned char c = text[i];

		if (c < ' ')
			appendStringInfoChar(out, ' ');
		else if (strchr("\"#&<>;`\\|", c) != NULL)
			appendStringInfo(out, "#%d;", c);
		else
			appendStringInfoChar(out, c);
	}
	if (clipped < length)
		appendStringInfoString(out, "...");
}

/* Mermaid's brackets draw the shape. */
static void
find_brackets(const JoPictureNode *node, const char **open, const char **close)
{
	*open = "[";
	*close = "]";
	switch (node->verb)
	{
		case JO_BRANCH:
		case JO_SPLIT:
		case JO_DECIDE:
			*open = "{";
			*close = "}";
			break;
		case JO_DELAY:
		case JO_WAIT:
		case JO_DIGEST:
			*open = "([";
			*close = "])";
			break;
		case JO_EXIT:
			*open = "((";
			*close = "))";
			break;
		default:
			break;
	}
}

static void
append_step(StringInfo out, int number, const JoPictureNode *node)
{
	const char *open;
	const char *close;

	find_brackets(node, &open, &close);
	appendStringInfo(out, "  s%d%s\"", number, open);
	append_escaped(out, node->name);
	appendStringInfo(out, "<br/>%s", jo_verb_name(node->verb));
	if (node->text[0] != '\0')
	{
		appendStringInfoChar(out, ' ');
		append_escaped(out, node->text);
	}
	appendStringInfo(out, "\"%s\n", close);
}

/* A goal or exit rule stands beside the steps: it ends a run anywhere. */
static void
append_rules(StringInfo out, const JoPicture *picture)
{
	int			exits = 0;

	for (int i = picture->nsteps + 1; i < picture->nnodes; i++)
	{
		const JoPictureNode *node = &picture->nodes[i];

		if (node->kind == JO_PICTURE_GOAL)
			appendStringInfoString(out, "  goal{{\"goal: ");
		else
		{
			appendStringInfo(out, "  exit%d{{\"exit ", ++exits);
			append_escaped(out, node->name);
			appendStringInfoString(out, ": ");
		}
		append_escaped(out, node->text);
		appendStringInfoString(out, "\"}}\n");
	}
}

static void
append_edge(StringInfo out, const JoPictureEdge *edge)
{
	if (edge->from == 0)
		appendStringInfoString(out, "  entry -->");
	else
		appendStringInfo(out, "  s%d -->", edge->from - 1);
	if (edge->label)
	{
		appendStringInfoString(out, "|\"");
		append_escaped(out, edge->label);
		appendStringInfoString(out, "\"|");
	}
	appendStringInfo(out, " s%d\n", edge->to - 1);
}

char *
jo_mermaid(const JoPicture *picture)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "flowchart TD\n  entry([\"");
	append_escaped(&out, picture->journey);
	if (picture->nodes[0].text[0] != '\0')
	{
		appendStringInfoString(&out, "<br/>");
		append_escaped(&out, picture->nodes[0].text);
	}
	appendStringInfoString(&out, "\"])\n");
	append_rules(&out, picture);
	for (int i = 1; i <= picture->nsteps; i++)
		append_step(&out, i - 1, &picture->nodes[i]);
	for (int i = 0; i < picture->nedges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		append_edge(&out, &picture->edges[i]);
	}
	return out.data;
}
