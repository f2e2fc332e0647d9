/*
 * journey/dot.c
 *	  A version as text for Graphviz.
 *
 * Nodes are named by their number; everything an author wrote is inside a
 * double-quoted string, in which Graphviz knows three specials: the quote, the
 * backslash (also of its own escapes \N, \G, \l) and the HTML entity.  The last
 * is only a matter of looks.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "journey/picture.h"

/* Characters of a label; a tooltip has all of them. */
#define MAX_LABEL 60

static void
append_quoted_part(StringInfo out, const char *text, int limit)
{
	int			length = strlen(text);
	int			clipped = pg_mbcharcliplen(text, length, limit);

	for (int i = 0; i < clipped; i++)
	{
		unsigned char c = text[i];

		if (c < ' ')
			appendStringInfoChar(out, ' ');
		else if (c == '"' || c == '\\')
			appendStringInfo(out, "\\%c", c);
		else if (c == '&')
			appendStringInfoString(out, "&amp;");
		else
			appendStringInfoChar(out, c);
	}
	if (clipped < length)
		appendStringInfoString(out, "...");
}

/* Shape and colour of a step; black text on each fill has 7:1 and more. */
static const char *
step_style(JoVerb verb)
{
	switch (verb)
	{
		case JO_SEND:
			return "fillcolor=\"#dbeafe\" color=\"#1d4ed8\"";
		case JO_DELAY:
		case JO_WAIT:
		case JO_DIGEST:
			return "style=\"rounded,filled\" fillcolor=\"#fef3c7\" color=\"#b45309\"";
		case JO_BRANCH:
		case JO_SPLIT:
		case JO_DECIDE:
			return "shape=hexagon fillcolor=\"#ede9fe\" color=\"#6d28d9\"";
		case JO_APPROVE:
			return "fillcolor=\"#fce7f3\" color=\"#be185d\"";
		case JO_EXIT:
			return "shape=ellipse peripheries=2 fillcolor=\"#e5e7eb\" color=\"#374151\"";
		case JO_UPDATE:
		case JO_CALL:
		case JO_EMIT:
		case JO_ENTER:
			break;
	}
	return "fillcolor=\"#ccfbf1\" color=\"#0f766e\"";
}

static void
append_node(StringInfo out, const char *id, const char *title,
			const char *name, const char *text, const char *style)
{
	appendStringInfo(out, "  %s [label=\"", id);
	append_quoted_part(out, name, MAX_LABEL);
	if (title[0] != '\0' || text[0] != '\0')
	{
		if (name[0] != '\0')
			appendStringInfoString(out, "\\n");
		appendStringInfoString(out, title);
		if (title[0] != '\0' && text[0] != '\0')
			appendStringInfoChar(out, ' ');
		append_quoted_part(out, text, MAX_LABEL);
	}
	appendStringInfoString(out, "\" tooltip=\"");
	append_quoted_part(out, text[0] != '\0' ? text : name, PG_INT32_MAX);
	appendStringInfo(out, "\" %s];\n", style);
}

static void
append_nodes(StringInfo out, const JoPicture *picture)
{
	int			exits = 0;

	append_node(out, "entry", "", picture->nodes[0].name, picture->nodes[0].text,
				"style=\"rounded,filled\" fillcolor=\"#d1fae5\" color=\"#047857\"");
	for (int i = picture->nsteps + 1; i < picture->nnodes; i++)
	{
		const JoPictureNode *node = &picture->nodes[i];

		if (node->kind == JO_PICTURE_GOAL)
			append_node(out, "goal", "goal:", node->name, node->text,
						"shape=note fillcolor=\"#d1fae5\" color=\"#047857\"");
		else
			append_node(out, psprintf("exit%d", ++exits), "exit:", node->name,
						node->text,
						"shape=note fillcolor=\"#fee2e2\" color=\"#b91c1c\"");
	}
	for (int i = 1; i <= picture->nsteps; i++)
	{
		const JoPictureNode *node = &picture->nodes[i];

		append_node(out, psprintf("s%d", i - 1), jo_verb_name(node->verb),
					node->name, node->text, step_style(node->verb));
	}
}

static void
append_edge(StringInfo out, const JoPictureEdge *edge)
{
	if (edge->from == 0)
		appendStringInfoString(out, "  entry");
	else
		appendStringInfo(out, "  s%d", edge->from - 1);
	appendStringInfo(out, " -> s%d", edge->to - 1);
	if (edge->label)
	{
		appendStringInfoString(out, " [label=\"");
		append_quoted_part(out, edge->label, MAX_LABEL);
		appendStringInfo(out, "\"%s]", edge->is_failure ? " color=\"#b91c1c\"" : "");
	}
	appendStringInfoString(out, ";\n");
}

char *
jo_dot(const JoPicture *picture)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "digraph \"");
	append_quoted_part(&out, picture->journey, PG_INT32_MAX);
	appendStringInfo(&out, "\" {\n"
					 "  graph [charset=\"UTF-8\" rankdir=TB fontname=\"Helvetica\"];\n"
					 "  node [shape=box style=filled fontname=\"Helvetica\" fontsize=11];\n"
					 "  edge [fontname=\"Helvetica\" fontsize=10 color=\"#4b5563\"];\n");
	append_nodes(&out, picture);
	for (int i = 0; i < picture->nedges; i++)
	{
		CHECK_FOR_INTERRUPTS();
		append_edge(&out, &picture->edges[i]);
	}
	appendStringInfoString(&out, "}\n");
	return out.data;
}
