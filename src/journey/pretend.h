/*
 * journey/pretend.h
 *	  The journeys that a simulation wants to be live (pretend.c).
 */
#ifndef JO_PRETEND_H
#define JO_PRETEND_H

#include "journey/acts.h"

typedef struct JoPretence JoPretence;

/* An empty one, which lives in CurrentMemoryContext. */
extern JoPretence *jo_pretence_create(void);

/*
 * Let the graph be the live version of its journey, unless the pretence has the
 * journey already.  "takes_events": events may enter it, else only commands.
 */
extern void jo_pretence_add(JoPretence *pretence, JoGraph *graph,
							bool takes_events);

/*
 * Add every journey that is published and takes newcomers.  Like the next one
 * inside a use of the journey cache, to whose end the graphs are good.
 */
extern void jo_pretence_add_live(JoPretence *pretence);

/* Add what the enter steps of its journeys name, and so on, for commands: as
 * published, and of a draft the newest version. */
extern void jo_pretence_add_entered(JoPretence *pretence);

/*
 * From here to jo_pretence_end() jo_graph(), jo_journey_id(),
 * jo_graphs_entered_by() and the acts know these journeys only, each published
 * before everything and never touched since.  The caller makes sure that an
 * error ends it too.  Returns what jo_pretence_end() has to put back.
 */
extern JoPretence *jo_pretence_begin(JoPretence *pretence);
extern void jo_pretence_end(JoPretence *before);

/* The pretence under way, or NULL. */
extern JoPretence *jo_pretence;

/* Its graph of a journey, and the act that published it; NULL: not in it. */
extern JoGraph *jo_pretended_graph(int32 journey_id);
extern const JoAct *jo_pretended_act(int32 journey_id);

/* Its journey of this name; 0: none. */
extern int32 jo_pretended_id(const char *name);

/* Its graphs that events of this name enter, in the order of entry. */
extern List *jo_pretended_entered_by(const char *name);

/*
 * The graph of a definition that is stored nowhere, under the journey's id if
 * there is one of its name and with its owner's rights, as define() would have
 * it: raises as define() does.  In CurrentMemoryContext.
 */
extern JoGraph *jo_graph_of_definition(Jsonb *definition);

#endif							/* JO_PRETEND_H */
