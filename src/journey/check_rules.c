/*
 * journey/check_rules.c
 *	  Do rules that nobody has reviewed decide when the messages go out?
 *
 * They apply in any case.  An author learns of it here, once a message and
 * channel, because it is his messages that they hold back or let through.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "journey/reader.h"
#include "permission/permission.h"

/* Names in a message; more are counted. */
#define MAX_NAMES 5

/* "a, b and 3 more" */
static char *
list_names(List *names)
{
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	foreach(cell, names)
	{
		if (foreach_current_index(cell) == MAX_NAMES)
		{
			appendStringInfo(&list, " and %d more",
							 list_length(names) - MAX_NAMES);
			break;
		}
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
						 (char *) lfirst(cell));
	}
	return list.data;
}

void
jo_check_rules(JoReader *reader)
{
	ListCell   *cell;

	foreach(cell, reader->name_uses)
	{
		const JoNameUse *use = lfirst(cell);
		List	   *names;

		if (use->kind != JO_NAME_TEMPLATE)
			continue;
		names = jo_rules_unreviewed(use->channel, use->topic,
									reader->graph->name);
		if (names != NIL)
			jo_finding_add(reader->findings, JO_FINDING_UNREVIEWED_RULE,
						   use->path, NULL,
						   "nobody has reviewed what decides about messages of channel \"%s\": %s",
						   use->channel, list_names(names));
	}
}
