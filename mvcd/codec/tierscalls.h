/* The functions of `_planes` about tiers. */
#ifndef MVCD_TIERSCALLS_H
#define MVCD_TIERSCALLS_H

#include <Python.h>

extern PyMethodDef tiers_calls[];

#endif
