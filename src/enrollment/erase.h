/*
 * enrollment/erase.h
 *	  Customers who are being erased (erase.c).
 */
#ifndef JO_ERASE_H
#define JO_ERASE_H

#include "enrollment/batch.h"

extern bool jo_erase_run(JoBatch *batch);
extern bool jo_erase_drops(JoBatch *batch, const JoEvent *event);

#endif							/* JO_ERASE_H */
