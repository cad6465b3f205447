"""From folders of videos and pictures to packed face crops: ``dfedge data``.

Data flows one way: layouts of known data sets -> `manifest` -> frames -> crops -> split -> packed
`store`, from which training draws its batches.
"""
