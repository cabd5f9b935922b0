// The program of a router worker: started by apusd, with its control channel at a fixed descriptor.

import Router

Router.main()
