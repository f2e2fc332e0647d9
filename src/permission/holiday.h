/*
 * permission/holiday.h
 *	  Days off of a region.
 */
#ifndef JO_PERMISSION_HOLIDAY_H
#define JO_PERMISSION_HOLIDAY_H

#include "utils/date.h"

/* Between begin and end days can be asked for. */
extern void jo_holidays_begin(void);
extern void jo_holidays_end(void);

/*
 * Is the day a holiday of the region, or, of a part of a country, of the whole
 * one?  False for a NULL region.
 */
extern bool jo_is_holiday(const char *region, DateADT day);

/* Store one, inside SPI; true when it was not there. */
extern bool jo_holiday_add(const char *region, DateADT day, const char *name);

extern void jo_holiday_init(void);

#endif							/* JO_PERMISSION_HOLIDAY_H */
