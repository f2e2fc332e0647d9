/*
 * enrollment/kept.h
 *	  Messages that stay with a customer after they went out: in an inbox, in an
 *	  audience (see kept.c).
 */
#ifndef JO_KEPT_H
#define JO_KEPT_H

#include "enrollment/batch.h"

extern bool jo_kept_channel(const char *channel);
extern bool jo_kept_is_audience(const char *channel);
extern bool jo_kept_is_remove(const JoAttempt *attempt);
extern bool jo_kept_out(JoMember *member, JoMessage *message);
extern bool jo_kept_expire(JoMessage *message);
extern bool jo_kept_sent(JoMessage *message);
extern void jo_kept_withhold(JoBatch *batch, JoMember *member,
							 const JoMessage *message);
extern void jo_kept_leave(JoBatch *batch, JoRun *run);
extern bool jo_kept_report(JoBatch *batch, JoMember *member,
						   const JoEvent *event, const pg_uuid_t *message_id);

#endif							/* JO_KEPT_H */
