/*
 * enrollment/dead_letter.h
 *	  What commands about dead letters share with other commands and with
 *	  messages.
 */
#ifndef JO_DEAD_LETTER_H
#define JO_DEAD_LETTER_H

#include "enrollment/batch.h"

/* dead_letter.c: apply the member's event, "$redeliver" or "$discard". */
extern void jo_dead_letter_redeliver(JoBatch *batch, JoMember *member);
extern void jo_dead_letter_discard(JoBatch *batch, JoMember *member);

/* command.c: what became of an application's command. */
extern JoOutcome *jo_command_answer(JoBatch *batch, const JoEvent *event,
									const char *status, const char *rule);

/* message.c: was the run of this message ended by a goal or an exit rule? */
extern bool jo_message_is_withdrawn(const JoBatch *batch,
									const JoMessage *message);

#endif							/* JO_DEAD_LETTER_H */
