// The operator's command line. All of it is in Operator.

import Operator

ApusCtl.start()
