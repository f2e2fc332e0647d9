/*
 * enrollment/timer.h
 *	  Timers of a lane (see timer.c).
 */
#ifndef JO_TIMER_H
#define JO_TIMER_H

#include "enrollment/batch.h"

extern void jo_timer_read(JoBatch *batch);
extern void jo_timer_arm(JoBatch *batch);
extern void jo_timer_write(JoBatch *batch);
extern TimestampTz jo_timer_next_due(JoBatch *batch);

/* timer_upkeep.c */
extern void jo_timer_upkeep_init(void);

#endif							/* JO_TIMER_H */
