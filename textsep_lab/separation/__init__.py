"""From a recording and a query to its output, by a mask inside the time windows.

What the default method ``unet`` does, in ten lines (`unet`, `refinement`; notebooks 02 and 05)::

    P(label) = query classifier(text embedding)         # which taught sound is meant
             * (0.1 + detector(mixture))                # doubtful words mean what is there
    query    = sum of P(label) * label embedding
    side     = text-agnostic UNet(mixture)              # divides it in two, knows no words
    mask     = FiLM UNet(mixture, side, query)
    others   = labels likeliest in detector(mixture - mask * mixture)
    masks    = FiLM UNet(mixture, side, others, unwanted=query)
    p        = how much of the residual's energy each of masks explains
    mask     = sigmoid(0.6 * (log odds of mask - p-weighted log odds of masks))
    output   = input - gate * (input - mask * input)    # keep; remove swaps the two parts
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
