/*
 * core/core.h
 *	  Init function of the room.
 */
#ifndef JO_CORE_H
#define JO_CORE_H

extern void jo_core_init(void);

#endif							/* JO_CORE_H */
